"""A program in a pseudo terminal of its own: the master goes to whoever holds the other end of descriptor 3."""
import os, pty, socket, sys

pid, master = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
with socket.socket(fileno=3) as to:
    socket.send_fds(to, [b"m"], [master])
os.close(master)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
