"""Clients that fail, wait or are slow as they are told: client.py KIND [KEY=VALUE]...

Common: host=10.9.0.2, port=80, timeout=S.
get     n=1 requests on one connection (keep=0: one each), between them pause=S in how=sleep, busy, lock, select, event, disk;
        path=/ method=GET body=BYTES tries=1 (with pause between) fresh=0
raw     connects, sends text=, then reads until end; again=1: sends once more after pause=S; linger=1: closes with unread data
poll    a nonblocking read in a loop until something comes, without waiting
storm   n= connects one after the other, whatever becomes of them
push    sends total=BYTES in pieces of size=BYTES; sndbuf=, nodelay=, pause= between pieces
pull    reads total=BYTES in pieces of size=BYTES, pause=S after each; rcvbuf=
turns   n= requests in parts=1 of size=BYTES each, reply=BYTES awaited after each; nodelay=, cork=
udp     sends n= datagrams of size=BYTES, pause= between, waits for wait=1 answers each
hold    n= connections, nothing else, for=S
bind    binds host and port, type=stream, dgram
unix    path= type= n= messages of size=BYTES; timeout
netlink joins a group, lets it overflow, reads
leak    accepts on port, lets the peer close, closes nothing, for=S
"""
import os, select, socket, sys, tempfile, threading, time

kind, o = sys.argv[1], {}
for word in sys.argv[2:]:
    k, v = word.split("=", 1)
    o[k] = v


def num(key, default=0.0):
    return float(o.get(key, default))


host, port = o.get("host", "10.9.0.2"), int(num("port", 80))


def spend(seconds, how):
    if how == "sleep":
        time.sleep(seconds)
    elif how == "busy":
        end, x = time.time() + seconds, 0
        while time.time() < end:
            x += 1
    elif how == "lock":
        lock = threading.Lock()
        lock.acquire()
        threading.Timer(seconds, lock.release).start()
        lock.acquire()
    elif how == "join":
        t = threading.Thread(target=time.sleep, args=(seconds,))
        t.start()
        t.join()
    elif how == "select":
        select.select([], [], [], seconds)
    elif how == "child":
        os.system("sleep %g" % seconds)


def connect():
    s = socket.create_connection((host, port), num("timeout") or None)
    for key, name in (("rcvbuf", socket.SO_RCVBUF), ("sndbuf", socket.SO_SNDBUF)):
        if key in o:
            s.setsockopt(socket.SOL_SOCKET, name, int(o[key]))
    if "nodelay" in o:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def early():  # a buffer that is to limit the window must be set before connecting
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    for key, name in (("rcvbuf", socket.SO_RCVBUF), ("sndbuf", socket.SO_SNDBUF)):
        if key in o:
            s.setsockopt(socket.SOL_SOCKET, name, int(o[key]))
    if "timeout" in o:
        s.settimeout(num("timeout"))
    s.connect((host, port))
    return s


def get():
    import http.client

    def made():
        return http.client.HTTPConnection(host, port, timeout=num("timeout") or None)

    c, n = made(), int(num("n", 1))
    for i in range(n):
        for attempt in range(int(num("tries", 1))):
            try:
                c.request(o.get("method", "GET"), o.get("path", "/"), b"x" * int(num("body")) or None)
                r = c.getresponse()
                r.read()
                if r.status >= 400 and "fail" in o:
                    raise OSError(r.status)
                break
            except OSError:
                c.close()
                c = made()
                if attempt == int(num("tries", 1)) - 1:
                    raise
                spend(num("pause"), o.get("how", "sleep"))
        if o.get("keep") == "0":
            c.close()
            c = made()
        if i < n - 1:
            spend(num("pause"), o.get("how", "sleep"))


def raw():
    s = connect()
    s.sendall(o.get("text", "hello\n").encode().decode("unicode_escape").encode())
    if "again" in o:
        s.recv(1 << 16)
        spend(num("pause"), "sleep")
        s.sendall(o["text"].encode())
    if "linger" in o:
        time.sleep(num("pause", 0.3))
        s.close()
        return
    while s.recv(1 << 16):
        pass


def poll():
    s = connect()
    s.setblocking(False)
    s.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    while True:
        try:
            s.recv(1000)
            break
        except BlockingIOError:
            pass


def storm():
    for i in range(int(num("n", 60))):
        s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        try:
            s.connect((host, port))
        except OSError:
            pass
        s.close()
    sys.exit(3)


def push():
    s = early()
    size, left = int(num("size", 65536)), int(num("total", 1 << 20))
    if "nodelay" in o:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while left > 0:
        left -= s.send(b"x" * min(size, left))
        if num("pause"):
            time.sleep(num("pause"))
    s.shutdown(socket.SHUT_WR)
    s.recv(100)


def pull():
    s = early()
    size, left = int(num("size", 65536)), int(num("total", 1 << 20))
    while left > 0:
        b = s.recv(min(size, left))
        if not b:
            break
        left -= len(b)
        if num("pause"):
            spend(num("pause"), o.get("how", "sleep"))


def turns():
    s = connect()
    for i in range(int(num("n", 40))):
        if "cork" in o:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        for part in range(int(num("parts", 1))):
            s.send(b"x" * int(num("size", 10)))
        left = int(num("reply", 40))
        while left > 0:
            left -= len(s.recv(left))


def udp():
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    if "timeout" in o:
        s.settimeout(num("timeout"))
    if "connect" in o:
        s.connect((host, port))
    for i in range(int(num("n", 1))):
        if "connect" in o:
            s.send(b"x" * int(num("size", 20)))
        else:
            s.sendto(b"x" * int(num("size", 20)), (host, port))
        if "wait" in o:
            try:
                s.recv(2000)
            except TimeoutError:
                if i == int(num("n", 1)) - 1:
                    raise
        time.sleep(num("pause"))


def hold():
    list = []
    for i in range(int(num("n", 5))):
        list.append(connect())
        if "text" in o:
            list[-1].send(o["text"].encode())
    time.sleep(num("for", 1))


def bind():
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM if o.get("type") == "dgram" else socket.SOCK_STREAM)
    s.bind((host, port))
    if o.get("type") != "dgram":
        s.listen(1)


def unix():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM if o.get("type") == "dgram" else socket.SOCK_STREAM)
    if "timeout" in o:
        s.settimeout(num("timeout"))
    s.connect(o["path"].replace("@", "\0"))
    for i in range(int(num("n", 1))):
        s.send(b"x" * int(num("size", 20)))
    if "wait" in o:
        s.recv(100)


def netlink():
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.bind((0, 1 << 4 | 1))
    for i in range(150):
        os.system("ip addr add 10.77.%d.1/32 dev lo" % i)
    while True:
        s.recv(65536)


def leak():
    l = socket.socket()
    l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    l.bind(("0.0.0.0", port))
    l.listen(50)
    if "up" in o:
        open(o["up"], "w").close()
    list, end = [], time.time() + num("for", 4)
    l.settimeout(0.2)
    while time.time() < end:
        try:
            c, _ = l.accept()
            c.recv(100)
            list.append(c)
        except TimeoutError:
            pass


globals()[kind]()
