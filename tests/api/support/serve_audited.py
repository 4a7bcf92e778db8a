"""Run the real server and write down what each of its processes opens, imports, connects to, runs or unpickles.

serve_audited.py JOURNAL. One line for each event: pid, event, arguments. The workers import this file too, before they
unpickle anything, and the HTTP processes are forked from one that did.
"""

import os
import sys

# Of https://docs.python.org/3/library/audit_events.html those by which a program reaches beyond itself.
WATCHED = (
    *("open", "import", "compile", "exec", "pickle.find_class", "marshal.loads", "ctypes.dlopen", "glob.glob"),
    *("subprocess.Popen", "socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request"),
    *("os.exec", "os.system", "os.posix_spawn", "os.spawn", "os.startfile", "os.listdir", "os.scandir"),
    *("os.chdir", "os.mkdir", "os.remove", "os.rename", "os.link", "os.symlink", "os.truncate", "shutil.rmtree"),
)
_journal = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def note(event, arguments):
    """Write an event down; one line, appended at once, so that the processes may share the file."""
    if event in WATCHED:
        os.write(_journal, f"{os.getpid()} {event} {arguments!r:.2000}\n".encode("utf-8", "backslashreplace"))


sys.addaudithook(note)

if __name__ == "__main__":
    from orpheus_tts.app import serve
    from orpheus_tts.settings import Settings

    sys.exit(serve(Settings()))
