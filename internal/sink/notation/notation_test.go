package notation

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/event"
)

var flags = event.NewTable("X_???", event.Sym{Num: 1, Name: "X_A"}, event.Sym{Num: 2, Name: "X_B"})

func str(s string) event.Token { return event.Token{Kind: event.TStr, Str: s, Num: uint64(len(s))} }

func num(n uint64) event.Token { return event.Token{Kind: event.TUint, Num: n} }

func TestTape(t *testing.T) {
	open := func(k event.TokenKind, f uint16) event.Token { return event.Token{Kind: k, Flags: f} }
	end := event.Token{Kind: event.TEnd}
	named := func(name string, k event.Token) event.Token { k.Name = name; return k }
	long := str(strings.Repeat("x", 40))
	many := event.Tape{open(event.TArray, event.FLimit)}
	for i := range 34 {
		many = append(many, num(uint64(i)))
	}
	many = append(many, end)
	deep := event.Tape{}
	for range 40 {
		deep = append(deep, open(event.TArray, 0))
	}
	for range 40 {
		deep = append(deep, end)
	}
	tests := []struct {
		name string
		t    event.Tape
		o    *Options
		want string
	}{
		{"struct", event.Tape{open(event.TStruct, 0), named("a", num(1)), named("b", str("x")), end}, nil, `{a=1, b="x"}`},
		{"set", event.Tape{open(event.TSet, event.FNot), num(1), num(2), end}, nil, `~[1 2]`},
		{"arrow", event.Tape{open(event.TArray, 0), num(1), {Kind: event.TArrow}, num(2), end}, nil, `[1 => 2]`},
		{"flags", event.Tape{{Kind: event.TFlags, Num: 3, Tab: flags}}, nil, `X_A|X_B`},
		{"flags and more", event.Tape{{Kind: event.TFlags, Num: 9, Tab: flags}}, nil, `X_A|0x8`},
		{"flags unknown", event.Tape{{Kind: event.TFlags, Num: 8, Tab: flags}}, nil, `0x8 /* X_??? */`},
		{"flags none", event.Tape{{Kind: event.TFlags, Tab: flags}}, nil, `0`},
		{"symbol unknown", event.Tape{{Kind: event.TSym, Num: 8, Tab: flags}}, nil, `0x8 /* X_??? */`},
		{"numeric", event.Tape{{Kind: event.TSym, Num: 1, Tab: flags}}, &Options{Numeric: true}, `0x1`},
		{"or", event.Tape{{Kind: event.TSym, Num: 1, Tab: flags}, {Kind: event.TFlags, Flags: event.FOr, Num: 2, Tab: flags}}, nil, `X_A|X_B`},
		{"string cut", event.Tape{long}, nil, `"` + strings.Repeat("x", 32) + `"...`},
		{"string at -s", event.Tape{long}, &Options{StrLen: 40}, `"` + strings.Repeat("x", 40) + `"`},
		{"string none", event.Tape{long}, &Options{StrLen: -1}, `""...`},
		{"string captured", event.Tape{{Kind: event.TStr, Str: "ab", Num: 9}}, nil, `"ab"...`},
		{"octal", event.Tape{str("\x00\x008\x007\x019\x1b[0m\xff\"\\\n")}, nil, `"\0\08\0007\19\33[0m\377\"\\\n"`},
		{"-x text", event.Tape{str("ab")}, &Options{HexStrings: 1}, `"ab"`},
		{"-x", event.Tape{str("a\x01")}, &Options{HexStrings: 1}, `"\x61\x01"`},
		{"-xx", event.Tape{str("a")}, &Options{HexStrings: 2}, `"\x61"`},
		{"abstract", event.Tape{{Kind: event.TStr, Str: "a\x00b", Num: 3, Flags: event.FAbstract}}, nil, `@"a\0b"`},
		{"limit", many, &Options{StrLen: 2}, `[0, 1, ...]`},
		{"no limit", many[:3], &Options{Verbose: true, StrLen: 1}, `[0, 1]`},
		{"brief", event.Tape{{Kind: event.TPtr, Num: 16, Flags: event.FBrief}, open(event.TArray, event.FVerbose), num(1), end, num(2)}, nil, `0x10, 2`},
		{"verbose", event.Tape{{Kind: event.TPtr, Num: 16, Flags: event.FBrief}, open(event.TArray, event.FVerbose), num(1), end, num(2)}, &Options{Verbose: true}, `[1], 2`},
		{"note", event.Tape{open(event.TArray, 0), num(1), end, {Kind: event.TNote, Str: "EF"}}, nil, `[1] /* EF */`},
		{"digits", event.Tape{{Kind: event.TDigits, Num: 2, Width: 8}, {Kind: event.TDigits, Width: 8}}, nil, `0x000002, 00000000`},
		{"ipv6", event.Tape{{Kind: event.TIPv6, Name: "a", Str: "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x02\x03\x04"}}, nil, `inet_pton(AF_INET6, "::1.2.3.4", &a)`},
		{"mac", event.Tape{{Kind: event.TMAC, Str: "\x02\xfc\x00"}}, nil, `02:fc:00`},
		{"pointer", event.Tape{{Kind: event.TPtr}}, nil, `NULL`},
		{"time", event.Tape{{Kind: event.TTime, Num: 1700000000}}, nil, `1700000000 /* 2023-11-14T22:13:20+0000 */`},
		{"interface", event.Tape{{Kind: event.TIface, Num: 1, Str: "a\"b"}, {Kind: event.TIface, Num: 2}}, nil, `if_nametoindex("a\"b"), 2`},
		{"deep", deep, nil, strings.Repeat("[", 24) + "..." + strings.Repeat("]", 24)},
		{"unclosed", event.Tape{open(event.TStruct, 0), open(event.TArray, 0)}, nil, `{[]}`},
		{"ends only", event.Tape{end, end, num(1)}, nil, `1`},
	}
	for _, x := range tests {
		if got := string(AppendTape(nil, x.t, x.o)); got != x.want {
			t.Errorf("%s:\n got %s\nwant %s", x.name, got, x.want)
		}
	}
}

func TestCall(t *testing.T) {
	ap := netip.MustParseAddrPort
	c := &event.Call{
		Name:  "read",
		Args:  []event.Arg{{Val: event.Tape{{Kind: event.TFd, Num: 5}}}, {Val: event.Tape{str("hi")}}},
		Ret:   2,
		Socks: []event.Sock{{FD: 5, ID: event.SockID{Inode: 77}, Family: 2, Type: 1, Protocol: 6, Local: ap("127.0.0.1:1"), Peer: ap("127.0.0.1:2")}},
	}
	expect := func(o *Options, want string) {
		t.Helper()
		if got := string(AppendCall(nil, c, o)); got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
	expect(nil, `read(5, "hi") = 2`)
	expect(&Options{FDs: 1}, `read(5<socket:[77]>, "hi") = 2`)
	expect(&Options{FDs: 2}, `read(5<TCP:[127.0.0.1:1->127.0.0.1:2]>, "hi") = 2`)
	s := &c.Socks[0]
	for _, x := range []struct {
		s    event.Sock
		want string
	}{
		{event.Sock{Family: 2, Type: 1, Protocol: 6}, "TCP:[77]"},
		{event.Sock{Family: 2, Type: 1, Protocol: 6, Local: ap("0.0.0.0:80")}, "TCP:[0.0.0.0:80]"},
		{event.Sock{Family: 10, Type: 2, Protocol: 17, Local: ap("[::1]:5"), Peer: ap("[::ffff:1.2.3.4]:6")}, "UDPv6:[[::1]:5->[::ffff:1.2.3.4]:6]"},
		{event.Sock{Family: 2, Type: 3, Protocol: 1}, "RAW:[77]"},
		{event.Sock{Family: 1, Type: 1, PeerInode: 78}, "UNIX-STREAM:[77->78]"},
		{event.Sock{Family: 1, Type: 2}, "UNIX:[77]"},
		{event.Sock{Family: 16, Aux: [2]uint32{9}}, "NETLINK:[ROUTE:9]"},
		{event.Sock{Family: 17}, "socket:[77]"},
		{event.Sock{Family: 2, Type: 1, Protocol: 262, Local: ap("1.2.3.4:5")}, "MPTCP:[1.2.3.4:5]"},
	} {
		*s = x.s
		s.FD, s.ID.Inode = 5, 77
		expect(&Options{FDs: 2}, "read(5<"+x.want+`>, "hi") = 2`)
	}
	c.Errno, c.Ret, c.Aux = "EAGAIN", -11, event.Tape{{Kind: event.TText, Str: "Resource temporarily unavailable"}}
	expect(nil, `read(5, "hi") = -1 EAGAIN (Resource temporarily unavailable)`)
	expect(&Options{Style: &Style{Name: "\x1b[1m", Error: "\x1b[31m", String: "\x1b[32m"}},
		"\x1b[1mread\x1b[0m(5, \x1b[32m\"hi\"\x1b[0m) = \x1b[31m-1 EAGAIN (Resource temporarily unavailable)\x1b[0m")
	c.State = event.Waiting
	c.Args[1].Val = nil
	expect(nil, "read(5,  <waiting ...>")
	c.State = event.Unfinished
	expect(nil, "read(5,  <unfinished ...>) = ?")
}

func TestAux(t *testing.T) {
	c := &event.Call{Name: "select", Ret: 1, Aux: event.Tape{
		{Kind: event.TSet, Name: "in"}, {Kind: event.TFd, Num: 3}, {Kind: event.TEnd},
		{Kind: event.TStruct, Name: "left"}, {Kind: event.TInt, Name: "tv_sec", Num: 1}, {Kind: event.TEnd},
	}}
	if got, want := string(AppendCall(nil, c, nil)), "select() = 1 (in [3], left {tv_sec=1})"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}
