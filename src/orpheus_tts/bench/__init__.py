"""`orpheus-tts bench`: a load generator for any server with OpenAI's speech route, which it knows only over HTTP.

The pure parts (players, meters of audio, statistics, arrivals, search) need numpy alone. The client needs the extra
`bench`.
"""
