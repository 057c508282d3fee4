"""A dockerinit that does what it is told, not what is right. argv[1]: a JSON list of actions, done in order.

["send", OBJECT] a frame  ["raw", HEX] bytes as they are  ["await", T] waits for a frame of type T
["fd"] a frame `console` with a descriptor  ["fds", T, N] a frame of type T with N descriptors  ["self"] `child` with a pidfd of its own
["fork"] goes on in a second process, of which the first is not the parent's to wait for  ["spawn-holder"] a grandchild that keeps the pipe open for a second more
["name", TEXT] its own name (comm)  ["close"] closes the pipe  ["exit", N]  ["kill"] dies of SIGKILL  ["hang"] waits for its end
"""
import array, ctypes, json, os, signal, socket, sys

pipe = socket.socket(fileno=3)


def recv_exactly(n):
    data = b""
    while len(data) < n:
        more = pipe.recv(n - len(data))
        if not more:
            sys.exit(125)
        data += more
    return data


seen = []


def await_frame(kind):
    while kind not in seen:
        seen.append(read_frame()["t"])
    seen.remove(kind)


def read_frame():
    return json.loads(recv_exactly(int.from_bytes(recv_exactly(4), "big")))


def send(frame):
    body = json.dumps(frame).encode()
    pipe.sendall(len(body).to_bytes(4, "big") + body)


for action, *args in json.loads(sys.argv[1]):
    if action == "send":
        send(args[0])
    elif action == "raw":
        pipe.sendall(bytes.fromhex(args[0]))
    elif action == "await":
        await_frame(args[0])
    elif action == "fd":
        body = b'{"t":"console"}'
        head = len(body).to_bytes(4, "big") + body
        pipe.sendmsg([head], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0]))])
    elif action == "fds":
        body = json.dumps({"t": args[0]}).encode()
        head = len(body).to_bytes(4, "big") + body
        pipe.sendmsg([head], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0] * args[1]))])
    elif action == "self":
        body = b'{"t":"child"}'
        head = len(body).to_bytes(4, "big") + body
        me = array.array("i", [os.pidfd_open(os.getpid())])
        pipe.sendmsg([head], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, me)])
    elif action == "fork":
        if os.fork() > 0:
            os._exit(0)
    elif action == "spawn-holder":
        bound, say = os.pipe()
        if os.fork() == 0:
            # Past its parent's end, which must not wait for it; the alarm ends it, whatever becomes of the test.
            os.write(say, b"x")
            signal.alarm(1)
            signal.pause()
        os.read(bound, 1)
    elif action == "name":
        ctypes.CDLL(None).prctl(15, args[0].encode())
    elif action == "close":
        pipe.close()
    elif action == "exit":
        os._exit(args[0])
    elif action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "hang":
        signal.pause()
