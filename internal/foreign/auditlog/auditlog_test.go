package auditlog_test

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/pidwire/pidwire/internal/foreign/auditlog"
)

// lines returns the lines of a file of testdata.
func lines(t testing.TB, file string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

// emulator is a log of Linux 2.6 for a rule of auditctl.
const emulator = "../../../../testdata/emulator/emulator.audit.log"

var logs = []string{emulator, "kernels.log", "kernel-6.18.log"}

// TestLogs checks that each line of the logs is a record of a known type, and each field has a value.
func TestLogs(t *testing.T) {
	for _, file := range logs {
		for _, line := range lines(t, file) {
			r, ok := Parse([]byte(line))
			if !ok || r.Type == 0 || string(r.Name) != Name(r.Type) || r.Interpreted || r.Serial == 0 || r.Sec < 1e9 {
				t.Errorf("%s: %q: %+v, %v", file, line, r, ok)
			}
			var again Record
			if kind := Read([]byte(line+"\r\n"), &again); kind != Raw || again.Serial != r.Serial || string(again.Fields) != string(r.Fields) {
				t.Errorf("%s: %q: Read says %v, %+v", file, line, kind, again)
			}
			if string(r.AppendRaw(nil, nil)) != line {
				t.Errorf("%s: %q comes back as %q", file, line, r.AppendRaw(nil, nil))
			}
			if r.Type >= AVC && r.Type < AppArmorFirst || r.Type >= 1100 && r.Type < 1300 || r.Type == ConfigChange {
				continue // their fields include words
			}
			for rest := r.Fields; len(rest) > 0; {
				var k, v []byte
				if k, v, rest = Next(rest); len(k) > 0 && len(v) == 0 {
					t.Errorf("%s: %q: %q has no value", file, line, k)
				}
			}
		}
	}
	if n := len(lines(t, emulator)); n != 10 {
		t.Errorf("the emulator's log has %d lines", n)
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		line string
		want Record
	}{
		{"type=SYSCALL msg=audit(1238054490.962:157574): arch=40000003 syscall=102",
			Record{Type: Syscall, Name: []byte("SYSCALL"), Sec: 1238054490, Milli: 962, Serial: 157574, Fields: []byte("arch=40000003 syscall=102")}},
		{"node=web1 type=EOE msg=audit(1.001:18446744073709551615): ",
			Record{Type: EOE, Name: []byte("EOE"), Node: []byte("web1"), Sec: 1, Milli: 1, Serial: math.MaxUint64, Fields: []byte{}}},
		{"type=UNKNOWN[1399] msg=audit(1.001:2): a=b", Record{Type: 1399, Name: []byte("UNKNOWN[1399]"), Sec: 1, Milli: 1, Serial: 2, Fields: []byte("a=b")}},
		{"type=1306 msg=audit(1.001:2): saddr=0100", Record{Type: SockAddr, Name: []byte("1306"), Sec: 1, Milli: 1, Serial: 2, Fields: []byte("saddr=0100")}},
		{"type=FUTURE msg=audit(1.001:2): a=b", Record{Name: []byte("FUTURE"), Sec: 1, Milli: 1, Serial: 2, Fields: []byte("a=b")}},
		{"type=CWD msg=audit(1.001:2):  cwd=\"/\"", Record{Type: 1307, Name: []byte("CWD"), Sec: 1, Milli: 1, Serial: 2, Fields: []byte("cwd=\"/\"")}},
	} {
		r, ok := Parse([]byte(c.line))
		if !ok || !same(r, c.want) {
			t.Errorf("%q:\n got %+v\nwant %+v", c.line, r, c.want)
		}
	}
	for _, line := range []string{
		"", "x", "type=", "type= msg=audit(1.1:1): ", "type=SYSCALL", "type=SYSCALL msg=", "type=SYSCALL audit(1.1:1): ", "node=", "node=x", "node=x ",
		"type=SYSCALL msg=audit(1.1:1", "type=SYSCALL msg=audit(1.1): ", "type=SYSCALL msg=audit(.1:1): ", "type=SYSCALL msg=audit(1:1): ",
		"type=SYSCALL msg=audit(1.1:): ", "type=SYSCALL msg=audit(-1.1:1): ", "type=SYSCALL msg=audit(1.1000:1): ", "type=SYSCALL msg=audit(99999999999.1:1): ",
		"type=SYSCALL msg=audit(1.1:18446744073709551616): ", "type=SYSCALL msg=audit(03/26/2009 08:01:30.962:157574) : a=b",
		"node=" + strings.Repeat("n", 300) + " type=EOE msg=audit(1.1:1): ", "type=" + strings.Repeat("N", 100) + " msg=audit(1.1:1): ",
	} {
		if r, ok := Parse([]byte(line)); ok {
			t.Errorf("%q is a record: %+v", line, r)
		}
	}
	long := "type=EXECVE msg=audit(1.001:2): a0=" + strings.Repeat("41", 20000)
	if r, ok := Parse([]byte(long)); !ok || len(r.Fields) > 16<<10 {
		t.Errorf("a record of %d bytes: %v, %d bytes of fields", len(long), ok, len(r.Fields))
	}
}

func same(a, b Record) bool {
	return a.Type == b.Type && bytes.Equal(a.Name, b.Name) && bytes.Equal(a.Node, b.Node) && a.Sec == b.Sec && a.Milli == b.Milli &&
		a.Serial == b.Serial && bytes.Equal(a.Fields, b.Fields) && a.Interpreted == b.Interpreted && a.DayFirst == b.DayFirst
}

func TestParseMessage(t *testing.T) {
	r, ok := ParseMessage(Syscall, []byte("audit(1795617198.656:559): arch=c000003e syscall=44"))
	if !ok || r.Type != Syscall || r.Name != nil || r.Wall() != 1795617198_656_000_000 || r.Serial != 559 || string(r.Fields) != "arch=c000003e syscall=44" {
		t.Errorf("%+v, %v", r, ok)
	}
	if line := string(r.AppendRaw([]byte("> "), nil)); line != "> type=SYSCALL msg=audit(1795617198.656:559): arch=c000003e syscall=44" {
		t.Error(line)
	}
	if _, ok := ParseMessage(Syscall, []byte("arch=c000003e")); ok {
		t.Error("a message without a stamp is a record")
	}
}

// next returns all fields as key=value, separated by bars.
func next(s string) string {
	var out []string
	for rest := []byte(s); len(rest) > 0; {
		var k, v []byte
		before := len(rest)
		k, v, rest = Next(rest)
		if len(rest) >= before {
			return "no end"
		}
		switch {
		case v != nil:
			out = append(out, string(k)+"="+string(v))
		case len(k) > 0:
			out = append(out, string(k))
		}
	}
	return strings.Join(out, "|")
}

func TestNext(t *testing.T) {
	for _, c := range [][2]string{
		{"", ""}, {" ", ""}, {"=", "="}, {"a", "a"}, {"a=", "a="}, {"a= b=", "a=|b="}, {"a==b", "a==b"},
		{"a=1 b=2", "a=1|b=2"},
		{" avc:  denied  { read write } for  pid=1", "avc:|denied|{|read|write|}|for|pid=1"},
		{`comm="a b" exe="/x=y" key=(null)`, `comm="a b"|exe="/x=y"|key=(null)`},
		{`comm="a`, `comm="a`}, {`comm="a b=c`, `comm="a|b=c`},
		{"a=1\x1dA=\"one two\" B=2", "a=1|A=\"one two\"|B=2"},
		{"a=(none)\x1dA=x", "a=(none)|A=x"},
		// In brackets.
		{"exit=EINPROGRESS(Operation now in progress) a0=0x5", "exit=EINPROGRESS(Operation now in progress)|a0=0x5"},
		{"exit=(null)(Unknown error 512) a0=0x5", "exit=(null)(Unknown error 512)|a0=0x5"},
		{"exit=E(a (b) c) d", "exit=E(a (b) c)|d"}, {"exit=E(a b=c", "exit=E(a|b=c"}, {"a=(b c=(d", "a=(b|c=(d"},
		{"exit=E(a\x1db)", "exit=E(a|b)"},
		{"a=(" + strings.Repeat("x", 600) + " b) c=d", "a=(" + strings.Repeat("x", 600) + "|b)|c=d"},
		{"saddr={ saddr_fam=inet laddr=1.2.3.4 lport=80 } ", "saddr={ saddr_fam=inet laddr=1.2.3.4 lport=80 }"},
		{"saddr={ saddr_fam=local path=/a } pid=1 { } ", "saddr={ saddr_fam=local path=/a } pid=1 { }"},
		{"saddr=0200\x1dSADDR={ saddr_fam=inet laddr=1.2.3.4 lport=80 }", "saddr=0200|SADDR={ saddr_fam=inet laddr=1.2.3.4 lport=80 }"},
		{"x={ a { b=c } d } e=f", "x={ a { b=c } d }|e=f"}, {"x={ a b=c", "x={|a|b=c"}, {"saddr={ a", "saddr={|a"},
		{"saddr=10.0.0.1 src=80 daddr=10.0.0.2", "saddr=10.0.0.1|src=80|daddr=10.0.0.2"},
		// To the end.
		{"proctitle=auditctl -l k=v ", "proctitle=auditctl -l k=v"}, {`proctitle="auditctl"`, `proctitle="auditctl"`}, {"proctitle=61\x1dA=b", "proctitle=61|A=b"}, {"proctitle=", "proctitle="},
		{`pid=1 msg='op=login acct="o'brien" res=success'`, `pid=1|msg='op=login acct="o'brien" res=success'`},
		{"msg='op=a res=b'\x1dUID='root'", "msg='op=a res=b'|UID='root'"}, {"msg='", "msg='"}, {"msg='a b", "msg='a|b"}, {"msg=audit(1 2)", "msg=audit(1 2)"},
		// User space of 2.6.
		{`exe="/usr/sbin/crond" (hostname=?, addr=?, terminal=cron res=success)`, `exe="/usr/sbin/crond"|hostname=?|addr=?|terminal=cron|res=success|)`},
		{"auditd start, ver=1.3.1, format=raw, auid=1 pid=2 res=success, auditd pid=2", "auditd|start,|ver=1.3.1|format=raw|auid=1|pid=2|res=success|auditd|pid=2"},
		{"obj=u:r:t:s0:c2,c7 a=b", "obj=u:r:t:s0:c2,c7|a=b"}, {"syscall=socketcall(send) a=b", "syscall=socketcall(send)|a=b"},
		// AppArmor.
		{"subj==unconfined key=(null)", "subj=unconfined|key=(null)"},
		{"subj=docker-default (enforce) key=x", "subj=docker-default (enforce)|key=x"}, {"subj==/usr/sbin/cupsd (complain)\x1dA=b", "subj=/usr/sbin/cupsd (complain)|A=b"},
		{"subj=a (hostname=b) c=d", "subj=a|hostname=b|)|c=d"}, {"subj=a (b c) d=e", "subj=a|(b|c)|d=e"}, {"subj=a (b", "subj=a|(b"}, {"subj=", "subj="}, {"subj==", "subj="},
	} {
		if got := next(c[0]); got != c[1] {
			t.Errorf("%q:\n got %s\nwant %s", c[0], got, c[1])
		}
	}
}

func TestValue(t *testing.T) {
	fields := []byte("a0=3 arch=c000003e pid=9 pid=10 key=\x1dARCH=x86_64")
	for key, want := range map[string]string{"arch": "c000003e", "pid": "9", "ARCH": "x86_64", "key": ""} {
		if v := Value(fields, key); string(v) != want || v == nil {
			t.Errorf("%s: %q", key, v)
		}
	}
	if v := Value(fields, "exe"); v != nil {
		t.Errorf("exe: %q", v)
	}
}

func TestText(t *testing.T) {
	for v, want := range map[string]string{
		`"a b"`: "a b", `""`: "", `"`: `"`, "(null)": "", "(none)": "", "?": "", "": "", "6120623D63": "a b=c", "612": "612", "zz": "zz", "pts0": "pts0", "6E657401646E73": "net\x01dns",
	} {
		if got := Text([]byte(v)); string(got) != want {
			t.Errorf("%q: %q", v, got)
		}
	}
}

func TestNumbers(t *testing.T) {
	for v, want := range map[string]string{"00": "\x00", "fFa0": "\xff\xa0"} {
		if b, ok := Bytes([]byte(v)); !ok || string(b) != want {
			t.Errorf("Bytes %q: %q, %v", v, b, ok)
		}
	}
	for _, v := range []string{"", "0", "0g", "g0", "000", "0x00"} {
		if b, ok := Bytes([]byte(v)); ok {
			t.Errorf("Bytes %q: %q", v, b)
		}
	}
	for v, want := range map[string]uint64{"0": 0, "bfe2c9a0": 0xbfe2c9a0, "FFFFFFFFFFFFFFFF": math.MaxUint64, "7ffd42eb1590": 0x7ffd42eb1590} {
		if n, ok := Hex([]byte(v)); !ok || n != want {
			t.Errorf("Hex %q: %x, %v", v, n, ok)
		}
	}
	for _, v := range []string{"", "0x1", "10000000000000000", "-1", "g", "connect"} {
		if n, ok := Hex([]byte(v)); ok {
			t.Errorf("Hex %q: %x", v, n)
		}
	}
	for v, want := range map[string]int64{"0": 0, "-115": -115, "4294967295": 4294967295, "9223372036854775807": math.MaxInt64, "-9223372036854775808": math.MinInt64, "-0": 0, "007": 7} {
		if n, ok := Decimal([]byte(v)); !ok || n != want {
			t.Errorf("Decimal %q: %d, %v", v, n, ok)
		}
	}
	for _, v := range []string{"", "-", "+1", "--1", "1 ", "a", "9223372036854775808", "-9223372036854775809", "99999999999999999999", "EINPROGRESS"} {
		if n, ok := Decimal([]byte(v)); ok {
			t.Errorf("Decimal %q: %d", v, n)
		}
	}
	for v, want := range map[uint64]uint8{0xc000003e: 1, 0x40000003: 2, 0xc00000b7: 3, 0x40000028: 4, 0: 0, 0xc00000f3: 0} {
		if got := Arch(v); got != want {
			t.Errorf("Arch %x: %d", v, got)
		}
	}
}

func TestTypes(t *testing.T) {
	for kind, name := range map[uint16]string{
		Syscall: "SYSCALL", Path: "PATH", SocketCall: "SOCKETCALL", ConfigChange: "CONFIG_CHANGE", SockAddr: "SOCKADDR", FDPair: "FD_PAIR", EOE: "EOE",
		NetfilterPkt: "NETFILTER_PKT", NetfilterCfg: "NETFILTER_CFG", Seccomp: "SECCOMP", ProcTitle: "PROCTITLE", AVC: "AVC", SELinuxErr: "SELINUX_ERR",
		AnomPromiscuous: "ANOM_PROMISCUOUS", 1200: "DAEMON_START", 1423: "LANDLOCK_ACCESS", 1503: "APPARMOR_DENIED", 1999: "UNKNOWN[1999]", 65535: "UNKNOWN[65535]",
	} {
		if Name(kind) != name || Type([]byte(name)) != kind {
			t.Errorf("%d is %s, %s is %d", kind, Name(kind), name, Type([]byte(name)))
		}
	}
	for kind := range 1 << 16 {
		if Type([]byte(Name(uint16(kind)))) != uint16(kind) {
			t.Errorf("%s is %d, not %d", Name(uint16(kind)), Type([]byte(Name(uint16(kind)))), kind)
		}
	}
	for _, name := range []string{"", "syscall", "UNKNOWN[", "UNKNOWN[]", "UNKNOWN[x]", "UNKNOWN[65536]", "UNKNOWN[1300", "65536", "-1"} {
		if n := Type([]byte(name)); n != 0 {
			t.Errorf("%q is %d", name, n)
		}
	}
	if Type([]byte("1300")) != Syscall {
		t.Error("a number is no name")
	}
}

// TestNextNoAlloc checks that Next does not allocate.
func TestNextNoAlloc(t *testing.T) {
	var all [][]byte
	for _, file := range logs {
		for _, line := range lines(t, file) {
			all = append(all, []byte(line))
		}
	}
	var r Record
	n := testing.AllocsPerRun(5, func() {
		for _, line := range all {
			if Read(line, &r) != Raw {
				t.Fatalf("%q", line)
			}
			for rest := r.Fields; len(rest) > 0; {
				_, _, rest = Next(rest)
			}
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
