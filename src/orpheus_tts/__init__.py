"""Text-to-speech with the Orpheus model: an OpenAI-compatible server, and the same thing as a library."""
