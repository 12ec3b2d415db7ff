package strace

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"testing"
)

func TestString(t *testing.T) {
	for in, w := range map[string]struct {
		out     string
		cut, ok bool
	}{
		`"abc"`:                   {"abc", false, true},
		`"abc"...`:                {"abc", true, true},
		`""`:                      {"", false, true},
		`"\36\0\0379\177\1a"`:     {"\x1e\x00\x1f9\x7f\x01a", false, true},
		`"\x00\xfF\x4"`:           {"\x00\xffx4", false, true},
		`"\n\t\v\f\r\"\\\'"`:      {"\n\t\v\f\r\"\\'", false, true},
		`"a\" = 3 <unfinished\\"`: {`a" = 3 <unfinished\`, false, true},
		`buf="a"`:                 {"a", false, true},
		`"a" /* b */`:             {"a", false, true},
		`NULL`:                    {"", false, false},
		`0x7ffd`:                  {"", false, false},
		`"abc`:                    {"", false, false},
		``:                        {"", false, false},
	} {
		out, cut, ok := String([]byte("<"), []byte(in))
		if string(out) != "<"+w.out || cut != w.cut || ok != w.ok {
			t.Errorf("%s: %q %v %v", in, out, cut, ok)
		}
	}
}

func TestSockaddr(t *testing.T) {
	for in, w := range map[string]struct {
		family, addr, scope, path string
		abstract, cut             bool
		pid, groups               uint32
	}{
		`{sa_family=AF_INET, sin_port=htons(5222), sin_addr=inet_addr("1.2.3.4")}`:                                                                            {family: "AF_INET", addr: "1.2.3.4:5222"},
		`{sa_family=AF_INET, sin_port=htons(1), sin_addr=inet_addr("\x31\x32\x37\x2e\x30\x2e\x30\x2e\x31")}`:                                                  {family: "AF_INET", addr: "127.0.0.1:1"},
		`{sa_family=AF_INET6, sin6_port=htons(53), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "fe80::1:2", &sin6_addr), sin6_scope_id=if_nametoindex("lo")}`: {family: "AF_INET6", addr: "[fe80::1:2]:53", scope: "lo"},
		`{sa_family=AF_INET6, sin6_port=htons(53), inet_pton(AF_INET6, "::ffff:1.2.3.4", &sin6_addr), sin6_flowinfo=0, sin6_scope_id=0}`:                      {family: "AF_INET6", addr: "[::ffff:1.2.3.4]:53"},
		`addr={sa_family=AF_INET6, sin6_port=htons(0), inet_pton(AF_INET6, "::", &sin6_addr), sin6_scope_id=3}`:                                               {family: "AF_INET6", addr: "[::]:0", scope: "3"},
		`{sa_family=AF_UNIX, sun_path="/a, \"b"}`:                                                      {family: "AF_UNIX", path: `/a, "b`},
		`{sa_family=AF_LOCAL, sun_path=@"a\0b"...}`:                                                    {family: "AF_LOCAL", path: "a\x00b", abstract: true, cut: true},
		`{sa_family=AF_FILE, path="/tmp/x"}`:                                                           {family: "AF_FILE", path: "/tmp/x"},
		`{sa_family=AF_UNIX}`:                                                                          {family: "AF_UNIX"},
		`{sa_family=AF_NETLINK, nl_pid=12, nl_groups=0x000011}`:                                        {family: "AF_NETLINK", pid: 12, groups: 0x11},
		`{sa_family=AF_NETLINK, nl_pid=-12, nl_groups=00000000}`:                                       {family: "AF_NETLINK", pid: 4294967284},
		`{sa_family=0x2 /* AF_INET */, sin_port=htons(80), sin_addr=inet_addr("1.2.3.4")}`:             {family: "AF_INET", addr: "1.2.3.4:80"},
		`{sa_family=0x2, sa_data="\0P"}`:                                                               {family: "0x2"},
		`{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("1.2.3.400")}`:                     {family: "AF_INET"},
		`{sa_family=AF_INET, sin_port=htons(1), sin_addr=inet_addr("1.2.3.4")} => {sa_family=AF_UNIX}`: {family: "AF_INET", addr: "1.2.3.4:1"},
		`{iov_base="a", iov_len=1}`:                                                                    {},
		`NULL`:                                                                                         {}, `0x7ffd`: {}, `{`: {}, `{}`: {}, ``: {},
	} {
		var a Addr
		_, ok := Sockaddr(nil, []byte(in), &a)
		addr := ""
		if a.AddrPort.IsValid() {
			addr = a.AddrPort.String()
		}
		if ok != (w.family != "") || string(a.Family) != w.family || addr != w.addr || string(a.Scope) != w.scope ||
			string(a.Path) != w.path || a.Abstract != w.abstract || a.Cut != w.cut || a.PID != w.pid || a.Groups != w.groups {
			t.Errorf("%s: %v %+v", in, ok, a)
		}
	}
}

func TestFD(t *testing.T) {
	for in, w := range map[string]struct {
		bad         bool
		num         int32
		text, path  string
		proto       string
		inode, peer uint64
		local, to   string
		sock        string
	}{
		"3":                     {num: 3},
		"-1":                    {num: -1},
		"fd=3":                  {num: 3},
		"AT_FDCWD</root>":       {num: AtFDCWD, text: "/root", path: "/root"},
		"3</a/b,c(>":            {num: 3, text: "/a/b,c(", path: "/a/b,c("},
		"3</a>(deleted)":        {num: 3, text: "/a", path: "/a"},
		"3</dev/tty<char 5:0>>": {num: 3, text: "/dev/tty<char 5:0>", path: "/dev/tty"},
		"12<TCP:[10.0.0.1:40181->124.65.150.30:5222]>": {num: 12, text: "TCP:[10.0.0.1:40181->124.65.150.30:5222]", proto: "TCP", local: "10.0.0.1:40181", to: "124.65.150.30:5222"},
		"12<TCP:[10.0.0.1:80]>":                        {num: 12, text: "TCP:[10.0.0.1:80]", proto: "TCP", local: "10.0.0.1:80"},
		"12<TCPv6:[[::1]:1->[::1]:2]>":                 {num: 12, text: "TCPv6:[[::1]:1->[::1]:2]", proto: "TCPv6", local: "[::1]:1", to: "[::1]:2"},
		"12<TCPv6:[[::ffff:1.2.3.4]:1]>":               {num: 12, text: "TCPv6:[[::ffff:1.2.3.4]:1]", proto: "TCPv6", local: "[::ffff:1.2.3.4]:1"},
		"3<UDP:[1234]>":                                {num: 3, text: "UDP:[1234]", proto: "UDP", inode: 1234},
		"3<socket:[5]>":                                {num: 3, text: "socket:[5]", proto: "socket", inode: 5},
		"3<UNIX-STREAM:[1->2]>":                        {num: 3, text: "UNIX-STREAM:[1->2]", proto: "UNIX-STREAM", inode: 1, peer: 2},
		`3<UNIX-DGRAM:[1,@"a]->\""]>`:                  {num: 3, text: `UNIX-DGRAM:[1,@"a]->\""]`, proto: "UNIX-DGRAM", inode: 1, sock: `@"a]->\""`},
		"3<NETLINK:[ROUTE:12]>":                        {num: 3, text: "NETLINK:[ROUTE:12]", proto: "NETLINK"},
		"3<anon_inode:[eventpoll]>":                    {num: 3, text: "anon_inode:[eventpoll]", proto: "anon_inode"},
		"12<sh>":                                       {num: 12, text: "sh"},
		"3 /* x */":                                    {num: 3},
		"3x":                                           {bad: true}, "": {bad: true}, "NULL": {bad: true}, "-": {bad: true}, "3<a": {bad: true}, "99999999999": {bad: true},
	} {
		var d Desc
		ok := FD([]byte(in), &d)
		if w.bad {
			if ok {
				t.Errorf("%s: %+v", in, d)
			}
			continue
		}
		ap := func(a netip.AddrPort) string {
			if a.IsValid() {
				return a.String()
			}
			return ""
		}
		sock := string(d.SockPath)
		if d.Abstract {
			sock = "@" + sock
		}
		if !ok || d.Num != w.num || string(d.Text) != w.text || string(d.Path) != w.path || string(d.Proto) != w.proto || d.Inode != w.inode ||
			d.PeerInode != w.peer || ap(d.Local) != w.local || ap(d.Peer) != w.to || sock != w.sock || d.Deleted != bytes.Contains([]byte(in), []byte("(del")) {
			t.Errorf("%s: %v %+v", in, ok, d)
		}
	}
}

func TestElements(t *testing.T) {
	for in, want := range map[string]string{
		`["a, b"..., 3</x, y>, ...]`:                   `"a, b"... | 3</x, y> | ...`,
		`{a={b=1, c=2}, d=f(1, 2) /* 3, 4 */, e=1<<2}`: `a={b=1, c=2} | d=f(1, 2) /* 3, 4 */ | e=1<<2`,
		`[28 => 16]`: `28 => 16`,
		`[]`:         ``,
		`NULL`:       ``,
		`iov=[{iov_base="\"], ", iov_len=1}, {"x", 1}]`: `{iov_base="\"], ", iov_len=1} | {"x", 1}`,
	} {
		var got []byte
		for e := In([]byte(in)); ; {
			f, ok := e.Next()
			if !ok {
				break
			}
			if got != nil {
				got = append(got, " | "...)
			}
			got = append(got, f...)
		}
		if string(got) != want {
			t.Errorf("%s: %s", in, got)
		}
	}
	for _, c := range [][3]string{
		{`{msg_name={sa_family=AF_UNIX}, msg_namelen=2, msg_iov=[{iov_base="x"}]}`, "msg_iov", `[{iov_base="x"}]`},
		{`{msg_name(16)={sa_family=AF_UNIX}, msg_iov(1)=[{"x", 1}]}`, "msg_name", `{sa_family=AF_UNIX}`},
		{`{msg_name(16)={sa_family=AF_UNIX}, msg_iov(1)=[{"x", 1}]}`, "msg_iov", `[{"x", 1}]`},
		{`{msg_namelen=2}`, "msg_name", ``},
	} {
		if got, ok := Field([]byte(c[0]), c[1]); string(got) != c[2] || ok != (c[2] != "") {
			t.Errorf("%s: %s", c[0], got)
		}
	}
	for in, want := range map[string]int64{"24": 24, "-1": -1, "0x10 /* x */": 16, "count=4": 4, "0644": 420, "0": 0} {
		if got, ok := Int([]byte(in)); got != want || !ok {
			t.Errorf("%s: %d %v", in, got, ok)
		}
	}
	if _, ok := Int([]byte("NULL")); ok {
		t.Error("NULL is a number")
	}
}

func TestDumpData(t *testing.T) {
	for in, want := range map[string]string{
		" | 00000  68 65 6c 6c 6f 20 77 6f  6e 64 65 72 66 75 6c 20  hello wonderful  |": "68656c6c6f20776f6e64657266756c20",
		" | 00010  68 65                                             he               |": "6865",
		" | 00010  68 65 6c 6c 6f 20 77 6f  6e                       hello wo n       |": "68656c6c6f20776f6e",
		" * 5 bytes in buffer 1": "", " | x": "", "": "", " | 0 ": "", " | 0": "",
	} {
		got, offset, ok := DumpData(nil, []byte(in))
		if hex.EncodeToString(got) != want || ok != (want != "") || ok && offset != uint64(in[6]-'0')*16 {
			t.Errorf("%s: %x %d %v", in, got, offset, ok)
		}
	}
}

// FuzzAddr compares addresses with those of netip.
func FuzzAddr(f *testing.F) {
	for _, s := range []string{"1.2.3.4", "::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:1.2.3.4", "::ffff:1.2.3.4", "1::2::3", "01.2.3.4", "1:2:3:4:5:6:7::", ":1", "1:", "12345::"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := parseAddr([]byte(s))
		want, err := netip.ParseAddr(s)
		if ok != (err == nil && want.Zone() == "") || ok && got != want {
			t.Fatalf("%q: %v %v, netip: %v %v", s, got, ok, want, err)
		}
	})
}
