package decode_test

import (
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/bounded"
	"github.com/pidwire/pidwire/internal/decode"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/flow"
	"github.com/pidwire/pidwire/internal/sink/text"
	"github.com/pidwire/pidwire/internal/syscalls"
	"github.com/pidwire/pidwire/internal/wire"
)

// audited builds the record of an audit event from its lines, as a source does.
func audited(a wire.Audit, lines string) wire.Record {
	a.H = wire.Hdr{Kind: wire.KindAudit, Layer: wire.LayerAud, Time: 1_000_000_000}
	a.Serial, a.Wall, a.Text = 157574, 1238054490_962_000_000, uint32(len(lines))
	b := append(a.Append(nil), lines...)
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	return wire.Seal(b)
}

const who = ` items=0 ppid=9743 pid=9744 auid=4294967295 uid=1003 gid=1002 euid=1003 suid=1003 fsuid=1003 egid=1002 sgid=1002 fsgid=1002 tty=pts61 ses=4294967295 comm="emulator" exe="/data/bin/emulator" key="emulator"`

// TestAudit checks that calls of audit records are printed like those of strace, and that
// missing parts are shown as missing.
func TestAudit(t *testing.T) {
	i386 := func(ret int64, sub uint64) wire.Audit {
		return wire.Audit{Pid: 9744, Abi: wire.AbiI386, Nr: syscalls.Socketcall, Ret: ret, Args: [4]uint64{sub, 0xff918ea4}, Flags: wire.AuditCall}
	}
	amd64 := func(nr uint32, ret int64, args ...uint64) wire.Audit {
		a := wire.Audit{Pid: 9744, Abi: wire.AbiX8664, Nr: nr, Ret: ret, Flags: wire.AuditCall}
		copy(a.Args[:], args)
		return a
	}
	syscall := "type=SYSCALL msg=audit(1238054490.962:157574): arch=40000003 syscall=102" + who
	const self = " exe=/data/bin/emulator auid=unset uid=1003 tty=pts61 key=emulator"
	sockaddr := func(hex string) string {
		return syscall + "\ntype=SOCKADDR msg=audit(1238054490.962:157574): saddr=" + hex
	}
	for name, test := range map[string]struct {
		a           wire.Audit
		lines, want string
	}{
		"socketcall that audit has no arguments of": {
			i386(-115, 3), sockaddr("020014667C41961E40CF990A0F930A08"),
			`connect(?, {sa_family=AF_INET, sin_port=htons(5222), sin_addr=inet_addr("124.65.150.30")}, 16) = -1 EINPROGRESS (Operation now in progress)` + self,
		},
		"socketcall without an address": {i386(190, 9), syscall, `send(?, ?, ?, ?) = 190` + self},
		"socketcall with its arguments": {
			i386(-101, 3), "type=SYSCALL msg=audit(1.000:2): arch=40000003" + who + "\ntype=SOCKETCALL msg=audit(1.000:2): nargs=3 a0=7 a1=ffafc3c4 a2=1c" +
				"\ntype=SOCKADDR msg=audit(1.000:2): saddr=0A00000900000000FE80000000000000000000000000000101000000",
			`connect(7, {sa_family=AF_INET6, sin6_port=htons(9), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "fe80::1", &sin6_addr), sin6_scope_id=1}, 28) = -1 ENETUNREACH (Network is unreachable)` + self,
		},
		"a call of its own": {
			amd64(42, -111, 3, 0x7ffc1afff480, 16), sockaddr("020000017F0000010000000000000000"),
			`connect(3, {sa_family=AF_INET, sin_port=htons(1), sin_addr=inet_addr("127.0.0.1")}, 16) = -1 ECONNREFUSED (Connection refused)` + self,
		},
		"more than four arguments":    {amd64(54, 0, 3, 1, 2, 0x7ffc), syscall, `setsockopt(3, SOL_SOCKET, SO_REUSEADDR, 0x7ffc, ?) = 0` + self},
		"an address sent to":          {amd64(44, 5, 3, 0x7f00, 5, 0), sockaddr("020000097F0000010000000000000000"), `sendto(3, 0x7f00, 5, 0, {sa_family=AF_INET, sin_port=htons(9), sin_addr=inet_addr("127.0.0.1")}, 16) = 5` + self},
		"no address":                  {amd64(44, 5, 3, 0x7f00, 5, 0), syscall, `sendto(3, 0x7f00, 5, 0, ?, ?) = 5` + self},
		"an address that comes back":  {amd64(43, 4, 3, 0x7ffc, 0x7ff8), sockaddr("0200C3507F0000010000000000000000"), `accept(3, {sa_family=AF_INET, sin_port=htons(50000), sin_addr=inet_addr("127.0.0.1")}, [? => 16]) = 4` + self + " +c2"},
		"an address inside of memory": {amd64(46, 5, 3, 0x7ffc, 0), sockaddr("01000061626300"), `sendmsg(3, 0x7ffc, 0) = 5 peer={sa_family=AF_UNIX, sun_path=@"abc\0"}` + self},
		"an abstract name":            {amd64(42, 0, 4, 0x7ffc, 6), sockaddr("010000616263"), `connect(4, {sa_family=AF_UNIX, sun_path=@"abc"}, 6) = 0` + self},
		"an unknown call": {wire.Audit{Pid: 1, Abi: wire.AbiX8664, Nr: 9999, Ret: -38, Flags: wire.AuditCall, Args: [4]uint64{1, 2, 3, 4}}, syscall,
			`syscall_0x270f(0x1, 0x2, 0x3, 0x4, ?, ?) = -1 ENOSYS (Function not implemented)` + self},
		"enriched": {amd64(41, 3, 2, 1, 0), `type=SYSCALL msg=audit(1.000:2): arch=c000003e syscall=41 pid=9744 auid=1000 uid=1000 euid=0 ses=3 comm=6120 exe="/a b" subj=unconfined key=(null)` + "\x1d" + `ARCH=x86_64 AUID="alice" UID="alice"`,
			`socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 3 exe=/a b auid=alice uid=1000 ses=3 subj=unconfined`},
		"a key of ours": {amd64(41, 3, 2, 1, 0), `type=SYSCALL msg=audit(1.000:2): pid=9744 auid=1000 exe="/a" key="pidwire-0badcafe"`, `socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 3 exe=/a auid=1000`},
		"a denial beside a call": {
			amd64(42, -13, 3, 0x7ffc, 16), `type=AVC msg=audit(1.000:2): avc:  denied  { name_connect } for  pid=9744 comm="emulator" dest=5222 scontext=u:r:t:s0 tclass=tcp_socket permissive=0` + "\n" + sockaddr("020014667C41961E40CF990A0F930A08"),
			`connect(3, {sa_family=AF_INET, sin_port=htons(5222), sin_addr=inet_addr("124.65.150.30")}, 16) = -1 EACCES (Permission denied)  AVC avc:  denied  { name_connect } for  pid=9744 comm="emulator" dest=5222 scontext=u:r:t:s0 tclass=tcp_socket permissive=0` + self,
		},
		"seccomp alone": {wire.Audit{Pid: 9744}, `type=SECCOMP msg=audit(1.000:2): auid=1000 uid=0 gid=0 ses=1 pid=9744 comm="x" exe="/x" sig=31 arch=c000003e syscall=42 compat=0 ip=0x7f code=0x80000000`,
			`SECCOMP auid=1000 uid=0 gid=0 ses=1 pid=9744 comm="x" exe="/x" sig=31 arch=c000003e syscall=42 compat=0 ip=0x7f code=0x80000000`},
		"hostile": {wire.Audit{Pid: 9744}, "type=ANOM_ABEND msg=audit(1.000:2): pid=9744 comm=1B5B316D reason=\"\x1b[31m\" sig=11", `ANOM_ABEND pid=9744 comm=1B5B316D reason="\x1b[31m" sig=11`},
	} {
		d, j := decode.New(wire.Header{Mono: 1, Wall: 1238054490_000_000_000}), flow.New(new(bounded.Room))
		var e event.Entry
		d.Record(audited(test.a, test.lines), &e.Event)
		j.Add(&e)
		w := text.Words{NoDur: true}
		if got := string(w.Append(nil, &e)); got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, test.want)
		}
		if e.Task.PID != test.a.Pid && e.Task.PID != 9744 {
			t.Errorf("%s: of process %d", name, e.Task.PID)
		}
	}
}

// TestAuditDescriptors checks that calls on one fd belong to one connection when there are only
// audit records.
func TestAuditDescriptors(t *testing.T) {
	d, j := decode.New(wire.Header{}), flow.New(new(bounded.Room))
	add := func(nr uint32, ret int64, saddr string, args ...uint64) event.Entry {
		a := wire.Audit{Pid: 7, Abi: wire.AbiX8664, Nr: nr, Ret: ret, Flags: wire.AuditCall}
		copy(a.Args[:], args)
		lines := "type=SYSCALL msg=audit(1.000:2): pid=7"
		if saddr != "" {
			lines += "\ntype=SOCKADDR msg=audit(1.000:2): saddr=" + saddr
		}
		var e event.Entry
		d.Record(audited(a, lines), &e.Event)
		j.Add(&e)
		return e
	}
	const local, peer = "0200C3507F0000010000000000000000", "020014667C41961E0000000000000000"
	listener := add(41, 3, "", 2, 1, 0)
	bound := add(49, 0, local, 3, 1, 16)
	accepted := add(43, 4, peer, 3, 1, 2)
	used := add(44, 5, "", 4, 1, 5)
	again := add(41, 4, "", 2, 2, 0)
	to := add(42, 0, peer, 4, 1, 16)
	unknown := add(48, 0, "", 9, 1)
	if listener.Conn == nil || !listener.First || listener.Match != event.MatchTable || listener.Conn.Protocol != event.ProtoTCP {
		t.Fatalf("%+v", listener.Conn)
	}
	if bound.Conn.N != listener.Conn.N || bound.Conn.Local.String() != "127.0.0.1:50000" {
		t.Errorf("bind: %+v", bound.Conn)
	}
	if len(accepted.Others) != 1 || accepted.Others[0].Listener != listener.Conn.N || accepted.Others[0].Peer.String() != "124.65.150.30:5222" {
		t.Fatalf("accept: %+v", accepted.Others)
	}
	if used.Conn.N != accepted.Others[0].N {
		t.Errorf("sendto on the accepted one: c%d", used.Conn.N)
	}
	if again.Conn.N == used.Conn.N || to.Conn.N != again.Conn.N || to.Conn.Protocol != event.ProtoUDP || to.Conn.Peer.Port() != 5222 {
		t.Errorf("a number that comes again: %+v, then %+v", again.Conn, to.Conn)
	}
	if unknown.Conn == nil || !unknown.Conn.Old || unknown.Conn.Found {
		t.Errorf("a descriptor from before: %+v", unknown.Conn)
	}
}

// TestAuditDamaged checks that damaged records and lines do not stop the decoder.
func TestAuditDamaged(t *testing.T) {
	whole := audited(wire.Audit{Pid: 1, Flags: wire.AuditCall, Abi: wire.AbiX8664, Nr: 42}, "type=SYSCALL msg=audit(1.000:2): pid=1\nno record\ntype=SOCKADDR msg=audit(1.0:2): saddr=02")
	for n := range len(whole) {
		d := decode.New(wire.Header{})
		var e event.Entry
		d.Record(whole[:n:n], &e.Event)
	}
	d := decode.New(wire.Header{})
	var e event.Entry
	d.Record(whole, &e.Event)
	if len(e.Warn) != 1 || !strings.Contains(e.Warn[0], "not an audit record") {
		t.Errorf("warnings: %q", e.Warn)
	}
}
