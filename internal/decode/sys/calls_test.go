package sys

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/notation"
	"github.com/pidwire/pidwire/internal/syscalls"
	"github.com/pidwire/pidwire/internal/wire"
)

// TestCallsCovered checks that each call in syscalls.Table is found by all of its numbers, and
// that each kind and result has a decoder.
func TestCallsCovered(t *testing.T) {
	used := map[syscalls.Kind]bool{}
	for i := range syscalls.Table {
		c := &syscalls.Table[i]
		for _, a := range c.Args {
			used[a.Kind&^syscalls.AtReturn] = true
		}
		for _, abi := range []uint8{wire.AbiX8664, wire.AbiI386, wire.AbiARM64, wire.AbiARM} {
			n, ok := c.Number(abi)
			if !ok {
				continue
			}
			if def := lookup(&wire.Syscall{Abi: abi, Nr: n}); def != c {
				t.Errorf("%s: number %d of ABI %d leads elsewhere", c.Name, n, abi)
			}
		}
		if c.Vector != 0 {
			if def := lookup(&wire.Syscall{Abi: wire.AbiI386, Nr: syscalls.Socketcall, Sub: c.Vector}); def != c {
				t.Errorf("%s: socketcall %d leads elsewhere", c.Name, c.Vector)
			}
		}
	}
	for _, a := range syscalls.Multiplexed.Args {
		used[a.Kind] = true
	}
	for k := range kinds {
		if kinds[k].show == nil {
			t.Errorf("kind %d is not shown", k)
		}
		if !used[syscalls.Kind(k)] {
			t.Errorf("kind %d is of no call", k)
		}
	}
	for r := syscalls.ResultPlain + 1; int(r) < syscalls.Results; r++ {
		if results[r] == nil {
			t.Errorf("result %d is not shown", r)
		}
	}
}

// TestNetworkClass checks that strace's %network on x86_64 and i386 is decoded
// (src/linux/*/syscallent.h).
func TestNetworkClass(t *testing.T) {
	for _, name := range strings.Fields(`socket socketpair bind connect listen accept accept4 getsockname getpeername sendto recvfrom sendmsg recvmsg
		sendmmsg recvmmsg recvmmsg_time64 send recv shutdown setsockopt getsockopt sendfile sendfile64 getpmsg putpmsg`) {
		if c := syscalls.ByName(name); c == nil || !c.Network {
			t.Errorf("%s is not of the class", name)
		}
	}
}

func lineOf(t *testing.T, r *record, o *notation.Options, want string) *event.Call {
	t.Helper()
	c := r.decode(t)
	if got := string(notation.AppendCall(nil, c, o)); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	return c
}

func TestStates(t *testing.T) {
	state := func(r *record, flag uint8) *record {
		r.Flags |= flag
		return r
	}
	tests := []struct {
		r    *record
		want string
	}{
		{state(recvfromRecord(), wire.CallWaiting), "recvfrom(5,  <waiting ...>"},
		{state(recvfromRecord(), wire.CallUnfinished), "recvfrom(5,  <unfinished ...>) = ?"},
		{state(callRecord("connect", 0, 5, base, 16).mem(wire.PhaseEnter, base, sockaddr), wire.CallWaiting),
			`connect(5, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, 16 <waiting ...>`},
		{state(callRecord("poll", 0, base, 1, 1000).mem(wire.PhaseEnter, base, []byte{3, 0, 0, 0, 1, 0, 0, 0}), wire.CallUnfinished),
			"poll([{fd=3, events=POLLIN}], 1, 1000 <unfinished ...>) = ?"},
		{state(callRecord("getsockopt", 0, 5, 1, 4, base, base+8), wire.CallWaiting), "getsockopt(5, SOL_SOCKET, SO_ERROR,  <waiting ...>"},
		{callRecord("read", -512, 5, base, 10), "read(5, 0x7ffd00001000, 10) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)"},
		{callRecord("read", -514, 5, base, 10), "read(5, 0x7ffd00001000, 10) = ? ERESTARTNOHAND (To be restarted if no handler)"},
		{callRecord("close", -600, 5), "close(5) = -1 ERRNO_600 (Unknown error 600)"},
		{callRecord("shutdown", -524, 5, 1), "shutdown(5, SHUT_WR) = -1 ENOTSUPP (Unknown error 524)"},
	}
	for _, x := range tests {
		lineOf(t, x.r, nil, x.want)
	}
}

// TestCapture decodes calls with truncated or unreadable memory.
func TestCapture(t *testing.T) {
	lineOf(t, callRecord("write", 100, 5, base, 100).mem(wire.PhaseExit, base, payload[:20]), nil, `write(5, "GET /index.html HTTP"..., 100) = 100`)
	lineOf(t, callRecord("write", 20, 5, base, 20).mem(wire.PhaseExit, base, payload[:20]), nil, `write(5, "GET /index.html HTTP", 20) = 20`)
	lineOf(t, callRecord("write", -14, 5, base, 20).fault(wire.PhaseExit, base, 20), nil, `write(5, 0x7ffd00001000, 20) = -1 EFAULT (Bad address)`)
	lineOf(t, callRecord("write", 4, 5, base, 20).mem(wire.PhaseExit, base, payload[:4]).fault(wire.PhaseExit, base+4, 16), nil, `write(5, 0x7ffd00001000, 20) = 4`)
	// A piece may start before the address, and adjacent pieces are joined.
	lineOf(t, callRecord("write", 8, 5, base+4, 8).mem(wire.PhaseExit, base, payload[:16]), nil, `write(5, "/index.h", 8) = 8`)
	lineOf(t, callRecord("write", 8, 5, base+4, 8).mem(wire.PhaseExit, base, payload[:8]).mem(wire.PhaseExit, base+8, payload[8:16]), nil, `write(5, "/index.h", 8) = 8`)
	lineOf(t, callRecord("connect", -115, 5, base, 16), nil, "connect(5, 0x7ffd00001000, 16) = -1 EINPROGRESS (Operation now in progress)")
	c := lineOf(t, recvfromRecord(), nil, `recvfrom(5, "GET /index.html HTTP/1.1\r\nHost: "..., 4096, 0, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, [128 => 16]) = 44`)
	if c.Bytes != 44 || !c.In || len(c.Socks) != 1 || c.Socks[0].Peer.Port() != 4711 {
		t.Errorf("%d bytes, in %v, sockets %+v", c.Bytes, c.In, c.Socks)
	}
}

// TestHeldEntries checks that results do not change while the decoder continues.
func TestHeldEntries(t *testing.T) {
	d := newDecoder()
	r := recvmsgRecord()
	first, _ := d.Syscall(&r.Syscall, r.socks, r.chunks)
	want := string(notation.AppendCall(nil, first, nil))
	for range 2000 {
		o := sendtoRecord()
		d.Syscall(&o.Syscall, o.socks, o.chunks)
	}
	if got := string(notation.AppendCall(nil, first, nil)); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	const line = `recvmsg(5, {msg_name={sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, msg_namelen=128 => 16, ` +
		`msg_iov=[{iov_base="GET /index.html HTTP/1.1\r\nHost: "..., iov_len=2048}], msg_iovlen=1, msg_control=[{cmsg_len=28, cmsg_level=SOL_IP, ` +
		`cmsg_type=IP_PKTINFO, cmsg_data={ipi_ifindex=if_nametoindex("lo"), ipi_spec_dst=inet_addr("127.0.0.1"), ipi_addr=inet_addr("127.0.0.1")}}], ` +
		`msg_controllen=32, msg_flags=0}, 0) = 44`
	if want != line {
		t.Errorf("\n got %s\nwant %s", want, line)
	}
}

// TestKeys checks that no output of any call shows a key in the record.
func TestKeys(t *testing.T) {
	key := []byte(strings.Repeat("zqX!", 75))
	tls := append([]byte{4, 3, 51, 0}, key...)
	addr := append(append(slices.Clone(sockaddr), make([]byte, 120)...), key...)
	for _, x := range []struct {
		level, name uint64
		b           []byte
	}{
		{solTLS, 1, tls}, {solTLS, 2, tls}, {solTLS, 1, key[:3]}, {solTCP, 14, addr}, {solTCP, 32, addr}, {solTCP, 14, key[:100]}, {solTCP, 33, key[:16]},
		{solTCP, 38, addr}, {solTCP, 38, key[:4]}, {solTCP, 41, key[:64]}, {solALG, 1, key[:4]}, {solALG, 6, key[:16]}, {solALG, 7, key[:4]}, {solRxrpc, 1, key[:8]}, {solSCTP, 23, key[:32]},
	} {
		for _, name := range []string{"setsockopt", "getsockopt"} {
			r := callRecord(name, 0, 5, x.level, x.name, base, uint64(len(x.b))).mem(wire.PhaseExit, base, x.b)
			if name == "getsockopt" {
				r.Args[4] = base + 4096
				r.mem(wire.PhaseExit, base+4096, le64(uint64(len(x.b)))[:4])
			}
			c := r.decode(t)
			for _, o := range []*notation.Options{nil, {Verbose: true, StrLen: 4096}, {HexStrings: 2, StrLen: 4096}, {Numeric: true}} {
				line := string(notation.AppendCall(nil, c, o))
				if strings.Contains(line, "zqX") || strings.Contains(line, `x7a\x71`) || !c.Redacted {
					t.Errorf("level %d option %d: %s", x.level, x.name, line)
				}
			}
			for i := range c.Args {
				for _, k := range c.Args[i].Val {
					if strings.Contains(k.Str, "zqX") || uint32(k.Num) == binary.LittleEndian.Uint32(key) {
						t.Errorf("level %d option %d: a token holds the key", x.level, x.name)
					}
				}
			}
		}
	}
	// Captured in full, in part, or not at all.
	for _, n := range []int{40, 4} {
		lineOf(t, callRecord("setsockopt", 0, 5, solTLS, 1, base, 40).mem(wire.PhaseExit, base, tls[:n]), nil,
			"setsockopt(5, SOL_TLS, TLS_TX, {info={version=TLS_1_3_VERSION, cipher_type=TLS_CIPHER_AES_GCM_128}, /* key not shown */}, 40) = 0")
	}
	lineOf(t, callRecord("setsockopt", 0, 5, solALG, 1, base, 16), nil, "setsockopt(5, SOL_ALG, ALG_SET_KEY, ... /* key not shown */, 16) = 0")
	// As a control message.
	cmsg := append(append(le64(32), 23, 1, 0, 0, 1, 0, 0, 0), key[:16]...)
	hdr := slices.Concat(make([]byte, 32), le64(base+100), le64(32), make([]byte, 8))
	lineOf(t, callRecord("sendmsg", 0, 5, base, 0).mem(wire.PhaseExit, base, hdr).mem(wire.PhaseExit, base+100, cmsg), nil,
		`sendmsg(5, {msg_name=NULL, msg_namelen=0, msg_iov=NULL, msg_iovlen=0, msg_control=[{cmsg_len=32, cmsg_level=SOL_ALG, cmsg_type=ALG_SET_KEY, `+
			`cmsg_data=... /* key not shown */}], msg_controllen=32, msg_flags=0}, 0) = 0`)
}

func TestABIs(t *testing.T) {
	r := &record{}
	r.Abi, r.Nr, r.Sub, r.Ret = wire.AbiI386, syscalls.Socketcall, 1, 3
	r.Args = [6]uint64{2, 1, 6}
	if c := lineOf(t, r, nil, "socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) = 3"); c.Via != "socketcall" || c.ABI != event.I386 {
		t.Errorf("via %q, ABI %v", c.Via, c.ABI)
	}
	unknown := &record{}
	unknown.Abi, unknown.Nr, unknown.Ret = wire.AbiX8664, 999, -38
	lineOf(t, unknown, nil, "syscall_0x3e7(0, 0, 0, 0, 0, 0) = -1 ENOSYS (Function not implemented)")

	// pread64: the registers of the offset depend on the ABI.
	for _, x := range []struct {
		abi  uint8
		nr   uint32
		args [6]uint64
	}{
		{wire.AbiX8664, 17, [6]uint64{5, 0, 10, 1<<32 | 7}},
		{wire.AbiI386, 180, [6]uint64{5, 0, 10, 7, 1}},
		{wire.AbiARM64, 67, [6]uint64{5, 0, 10, 1<<32 | 7}},
		{wire.AbiARM, 180, [6]uint64{5, 0, 10, 0, 7, 1}},
		{wire.AbiX32, 17 | 0x40000000, [6]uint64{5, 0, 10, 1<<32 | 7}},
	} {
		r := &record{}
		r.Abi, r.Nr, r.Ret, r.Args = x.abi, x.nr, -29, x.args
		lineOf(t, r, nil, "pread64(5, NULL, 10, 4294967303) = -1 ESPIPE (Illegal seek)")
	}

	// x32: 32-bit pointers, 64-bit times.
	x := &record{}
	x.Abi, x.Nr, x.Ret, x.Args = wire.AbiX32, 516|0x40000000, 3, [6]uint64{5, 0x1000, 1}
	x.mem(wire.PhaseExit, 0x1000, []byte{0, 0x20, 0, 0, 3, 0, 0, 0}).mem(wire.PhaseExit, 0x2000, []byte("abc"))
	lineOf(t, x, nil, `writev(5, [{iov_base="abc", iov_len=3}], 1) = 3`)
	x = &record{}
	x.Abi, x.Nr, x.Args = wire.AbiX32, 541|0x40000000, [6]uint64{5, 1, 20, 0x1000, 16}
	x.mem(wire.PhaseExit, 0x1000, append(le64(1), le64(5)...))
	lineOf(t, x, nil, "setsockopt(5, SOL_SOCKET, SO_RCVTIMEO_OLD, {tv_sec=1, tv_usec=5}, 16) = 0")

	// epoll_event is packed on x86 only.
	e := &record{}
	e.Abi, e.Nr, e.Args = wire.AbiARM64, 21, [6]uint64{4, 1, 5, 0x1000}
	e.mem(wire.PhaseExit, 0x1000, slices.Concat([]byte{1, 0, 0, 0, 0, 0, 0, 0}, le64(5)))
	lineOf(t, e, nil, "epoll_ctl(4, EPOLL_CTL_ADD, 5, {events=EPOLLIN, data={u32=5, u64=5}}) = 0")
}

func TestUring(t *testing.T) {
	d := newDecoder()
	s := socket()
	socks := s.Append(nil)
	tests := []struct {
		u    wire.Uring
		want string
	}{
		{wire.Uring{Opcode: 26, Fd: 5, Res: 44, UserData: 0x10, Nsock: 1}, "send(5<TCP:[127.0.0.1:80->127.0.0.1:4711]>, 0x10) = 44"},
		{wire.Uring{Opcode: 27, Fd: 2, Res: -104, Flags: wire.UringFixedFile}, "recv(2 /* fixed file */, 0) = -1 ECONNRESET (Connection reset by peer)"},
		{wire.Uring{Opcode: 26, Fd: -1, Res: 4, Flags: wire.UringFixedFile}, "send(-1 /* fixed file */, 0) = 4"},
		{wire.Uring{Opcode: 13, Fd: 4, Res: 5, Nsock: 1, CqeFlags: 2}, "accept(4, 0) = 5<TCP:[127.0.0.1:80->127.0.0.1:4711]> (IORING_CQE_F_MORE)"},
		{wire.Uring{Opcode: 16, Fd: 4, Flags: wire.UringWaiting}, "connect(4, 0 <waiting ...>"},
		{wire.Uring{Opcode: 200, Fd: -1}, "io_uring_op(-1, 0) = 0"},
	}
	for _, x := range tests {
		c, _ := d.Uring(&x.u, socks)
		if got := string(notation.AppendCall(nil, c, &notation.Options{FDs: 2})); got != x.want {
			t.Errorf("\n got %s\nwant %s", got, x.want)
		}
		if c.Via != "io_uring" {
			t.Errorf("via %q", c.Via)
		}
	}
	if c, _ := d.Uring(&tests[0].u, nil); c.Bytes != 44 || c.In {
		t.Errorf("%d bytes, in %v", c.Bytes, c.In)
	}
}

// TestHostile decodes calls with false lengths.
func TestHostile(t *testing.T) {
	const huge = 0xffffffff
	for _, r := range []*record{
		callRecord("poll", 1, base, huge, 0).mem(wire.PhaseEnter, base, make([]byte, 64)),
		callRecord("select", 1, huge>>1, base, base, base, 0).mem(wire.PhaseEnter, base, make([]byte, 64)).mem(wire.PhaseExit, base, make([]byte, 64)),
		callRecord("writev", 1, 5, base, 1024).mem(wire.PhaseExit, base, make([]byte, 32)),
		callRecord("epoll_wait", 1<<40, 5, base, huge, 0).mem(wire.PhaseExit, base, make([]byte, 64)),
		callRecord("recvmmsg", huge, 5, base, huge, 0, 0).mem(wire.PhaseExit, base, make([]byte, 128)),
		callRecord("setsockopt", 0, 5, 1, 26, base, 16).mem(wire.PhaseExit, base, slices.Concat([]byte{0xff, 0xff, 0, 0, 0, 0, 0, 0}, le64(base+16), make([]byte, 64))),
	} {
		c := r.decode(t)
		if line := notation.AppendCall(nil, c, &notation.Options{Verbose: true}); len(line) > 1<<20 {
			t.Errorf("%s: %d bytes", c.Name, len(line))
		}
	}
	// Overlapping iovecs.
	b := make([]byte, 4096)
	for o := 0; o+16 <= len(b); o += 16 {
		binary.LittleEndian.PutUint64(b[o:], base)
		binary.LittleEndian.PutUint64(b[o+8:], 1<<60)
	}
	c := callRecord("sendmmsg", 1024, 5, base, 1024, 0).mem(wire.PhaseEnter, base, b).mem(wire.PhaseExit, base, b).decode(t)
	check(t, c)
}

func TestErrno(t *testing.T) {
	for _, x := range []struct {
		n          int64
		name, text string
	}{
		{111, "ECONNREFUSED", "Connection refused"}, {11, "EAGAIN", "Resource temporarily unavailable"}, {516, "ERESTART_RESTARTBLOCK", "Interrupted by signal"},
		{0, "", ""}, {-1, "", ""}, {99999, "", ""}, {41, "", ""},
	} {
		if name, text := Errno(x.n); name != x.name || text != x.text {
			t.Errorf("%d: %q, %q", x.n, name, text)
		}
	}
}

func TestNumeric(t *testing.T) {
	lineOf(t, callRecord("socket", 3, 2, 1|0x80000, 6), &notation.Options{Numeric: true}, "socket(0x2, 0x1|0x80000, 0x6) = 3")
}
