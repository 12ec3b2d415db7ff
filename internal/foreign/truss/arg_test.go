package truss

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// space formats data like Solaris and AIX.
func space(data []byte) string {
	var s strings.Builder
	for _, c := range data {
		if n := strings.IndexByte("\x00\b\t\n\v\f\r", c); n >= 0 {
			s.WriteByte('\\')
			s.WriteByte("0btnvfr"[n])
		} else if c >= ' ' && c < 0x7f {
			s.WriteByte(' ')
			s.WriteByte(c)
		} else {
			fmt.Fprintf(&s, "%02X", c)
		}
	}
	return s.String()
}

// vis formats data like FreeBSD, by vis(3) with VIS_CSTYLE, VIS_TAB and VIS_NL.
func vis(data []byte) string {
	var s strings.Builder
	for i, c := range data {
		if n := strings.IndexByte("\n\r\b\a\v\t\f\\", c); n >= 0 {
			s.WriteByte('\\')
			s.WriteByte("nrbavtf\\"[n])
			continue
		}
		switch {
		case c == 0:
			s.WriteString("\\0")
			if i+1 < len(data) && data[i+1] >= '0' && data[i+1] <= '7' {
				s.WriteString("00")
			}
		case c >= ' ' && c < 0x7f:
			s.WriteByte(c)
		case c&0x7f == ' ':
			fmt.Fprintf(&s, "\\%03o", c)
		default:
			s.WriteByte('\\')
			if c&0x80 != 0 {
				s.WriteByte('M')
			}
			switch c &= 0x7f; {
			case c == 0x7f:
				s.WriteString("^?")
			case c < ' ':
				s.WriteByte('^')
				s.WriteByte(c + '@')
			default:
				s.WriteByte('-')
				s.WriteByte(c)
			}
		}
	}
	return s.String()
}

// TestStringData checks that any data is decoded unchanged, in a call of each flavor.
func TestStringData(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	check := func(data []byte) {
		t.Helper()
		for _, c := range []struct {
			line   string
			flavor Flavor
			cut    bool
		}{
			{fmt.Sprintf("write(3, \"%s\", %d)\t= %d", space(data), len(data), len(data)), Solaris, false},
			{fmt.Sprintf("kwrite(3, \"%s\".., 9999)\t= %d", space(data), len(data)), AIX, true},
			{fmt.Sprintf("write(3,\"%s\",%d)\t = %d (0x%x)", vis(data), len(data), len(data), len(data)), FreeBSD, false},
			{fmt.Sprintf("recvfrom(3,\"%s\"...,9999,0,{ AF_INET 192.0.2.1:53 },0x10) = %d (0x%x)", vis(data), len(data), len(data)), FreeBSD, true},
		} {
			l := mustParse(t, c.line)
			if l.Kind != Call || l.Ret != int64(len(data)) || len(l.Args()) < 3 {
				t.Fatalf("%q: %s", c.line, show(l))
			}
			got, cut, ok := StringOf([]byte("before"), l.Args()[1], c.flavor)
			if !ok || cut != c.cut || string(got) != "before"+string(data) {
				t.Fatalf("%q: %q %t %t, want %q", c.line, got, cut, ok, data)
			}
		}
		if len(data) == 0 || len(data) > 32 {
			return
		}
		if got, ok := Data([]byte("before"), []byte("  "+space(data))); !ok || string(got) != "before"+string(data) {
			t.Fatalf("data %q: %q, %t", data, got, ok)
		}
	}
	check(nil)
	for c := range 256 {
		check([]byte{byte(c)})
		for _, d := range []byte("07 \"\\,)\x00\xff") {
			check([]byte{byte(c), d})
			check([]byte{d, byte(c)})
		}
	}
	const few = "\"\\,() =x03\x00\n[]{}"
	for range 5000 {
		data := make([]byte, r.IntN(40))
		for i := range data {
			data[i] = byte(r.Uint32())
			if r.IntN(2) == 0 {
				data[i] = few[r.IntN(len(few))]
			}
		}
		check(data)
	}
}

func TestString(t *testing.T) {
	for _, c := range []struct {
		in, want string
		flavor   Flavor
		cut, ok  bool
	}{
		{`" h i"`, "hi", Any, false, true},
		{`" h i"..`, "hi", Any, true, true},
		{`"4865"..`, "He", Any, true, true},
		{`"4865"`, "4865", Any, false, true},
		{`"4865"`, "He", Solaris, false, true},
		{`"4865"`, "He", AIX, false, true},
		{`"4865"`, "4865", FreeBSD, false, true},
		{`" h i"`, " h i", FreeBSD, false, true},
		{`"/etc/hosts"`, "/etc/hosts", Any, false, true},
		{`"/etc/hosts"`, "/etc/hosts", Solaris, false, true},
		{`"/a\x1bb\"c"`, "/a\x1bb\"c", Solaris, false, true},
		{`"a\e\s\E"`, "a\x1b \x1b", FreeBSD, false, true},
		{`"a\M-"`, "aM-", FreeBSD, false, true},
		{`"a\M"`, "aM", FreeBSD, false, true},
		{`"a\^"`, "a^", FreeBSD, false, true},
		{`"a\"`, "a\\", FreeBSD, false, true},
		{`"\7\77\777"`, "\a?\xff", FreeBSD, false, true},
		{`"a"...`, "a", FreeBSD, true, true},
		{`"a".`, "", FreeBSD, false, false},
		{`"a"....`, "", FreeBSD, false, false},
		{`"a"x`, "", Any, false, false},
		{`"`, "", Any, false, false},
		{``, "", Any, false, false},
		{`""`, "", Any, false, true},
		{`0x1234`, "", Any, false, false},
		{`NULL`, "", Any, false, false},
	} {
		out, cut, ok := StringOf([]byte("-"), []byte(c.in), c.flavor)
		if string(out) != "-"+c.want || cut != c.cut || ok != c.ok {
			t.Errorf("%s of %v: %q, %t, %t", c.in, c.flavor, out, cut, ok)
		}
	}
	if out, cut, ok := String(nil, []byte(`" h i"..`)); string(out) != "hi" || !cut || !ok {
		t.Errorf("%q, %t, %t", out, cut, ok)
	}
}

func TestData(t *testing.T) {
	full := strings.Repeat(" x", 32)
	for in, want := range map[string]string{
		"   G E T   /\\n":                 "GET /\n",
		"    ":                            " ",
		"  4142\\0":                       "AB\x00",
		"  " + full:                       strings.Repeat("x", 32),
		"        " + full:                 strings.Repeat("x", 32),
		"\tAF_INET  name = 1.2.3.4  port": "-",
		" argv: ls":                       "-",
		"  ":                              "-",
		"":                                "-",
		"   G E":                          "GE",
		"  GG":                            "-",
		" x" + full + full:                "-",
	} {
		got, ok := Data(nil, []byte(in))
		if ok != (want != "-") || ok && string(got) != want || !ok && got != nil {
			t.Errorf("%q: %q, %t, want %q", in, got, ok, want)
		}
	}
}

func TestFD(t *testing.T) {
	for in, want := range map[string]int64{
		"3": 3, "0": 0, "0x3": 3, "-1": -1, "AT_FDCWD": AtFDCWD, "0xffd19553": AtFDCWD, "0xFFD19553": AtFDCWD, "0xFFFFFFFF": -1, "0x7fffffff": 1<<31 - 1,
		"2147483647": 1<<31 - 1, "-2147483648": -1 << 31, "017": 15,
	} {
		if got, ok := FD([]byte(in)); !ok || got != want {
			t.Errorf("%s: %d, %t", in, got, ok)
		}
	}
	for _, in := range []string{"", "x", "3 ", "4294967295", "0x100000000", "-2147483649", "99999999999999999999", "0x", "-", "--1", "08", "1.5", "\"3\"", "AT_FDCWDX"} {
		if got, ok := FD([]byte(in)); ok {
			t.Errorf("%s: %d", in, got)
		}
	}
}

func TestInt(t *testing.T) {
	for in, want := range map[string]int64{
		"0": 0, "18446744073709551615": -1, "0xffffffffffffffff": -1, "0X10": 16, "010": 8, "-9223372036854775808": -1 << 63, "-0x10": -16, "00": 0, "01777777777777777777777": -1,
	} {
		if got, ok := Int([]byte(in)); !ok || got != want {
			t.Errorf("%s: %d, %t", in, got, ok)
		}
	}
	for _, in := range []string{"", "-", "18446744073709551616", "0x10000000000000000", "02777777777777777777777", "-9223372036854775809", "1x", "0x1g", "09"} {
		if got, ok := Int([]byte(in)); ok {
			t.Errorf("%s: %d", in, got)
		}
	}
}

func TestSockaddr(t *testing.T) {
	for in, want := range map[string]string{
		"{ AF_INET 192.0.2.1:80 }":                                  "AF_INET 192.0.2.1:80 ",
		"{ AF_INET6 [2001:db8::1]:443 }":                            "AF_INET6 [2001:db8::1]:443 ",
		"{ AF_INET6 2001:db8::1:443 }":                              "AF_INET6 [2001:db8::1]:443 ",
		"{{ AF_INET 192.0.2.1:80 },16,[{\"a\",1}],1,{},0,0}":        "AF_INET 192.0.2.1:80 ",
		"{ AF_UNIX \"/tmp/a b\" }":                                  "AF_UNIX invalid AddrPort /tmp/a b",
		"{ AF_UNIX \"\" }":                                          "AF_UNIX invalid AddrPort ",
		"{ sa_len = 20, sa_family = 18, sa_data = { 0x00, 0x00 } }": "18 invalid AddrPort ",
		"\tAF_INET  name = 192.0.2.1  port = 80":                    "AF_INET 192.0.2.1:80 ",
		"\tAF_INET  name = 192.0.2.1  port = 80  ":                  "AF_INET 192.0.2.1:80 ",
		"AF_INET  to = 192.0.2.1  port = 0":                         "AF_INET 192.0.2.1:0 ",
		"\tAF_INET6  msg_name = 2001:db8::1  port = 65535":          "AF_INET6 [2001:db8::1]:65535 ",
		"\tAF_INET6  name = ::ffff:192.0.2.1  port = 1":             "AF_INET6 [::ffff:192.0.2.1]:1 ",
		"\tAF_UNIX  name = /tmp/a b":                                "AF_UNIX invalid AddrPort /tmp/a b",
		"\tAF_UNIX  name = ":                                        "AF_UNIX invalid AddrPort ",
		"":                                                          "",
		"\t":                                                        "",
		"{":                                                         "",
		"{ }":                                                       "",
		"{ AF_INET }":                                               "",
		"{ AF_INET 192.0.2.1 }":                                     "",
		"{ AF_INET 192.0.2.1:65536 }":                               "",
		"{ AF_INET 192.0.2.256:1 }":                                 "",
		"{ AF_INET 192.0.2.01:1 }":                                  "",
		"{ AF_INET 192.0.2:1 }":                                     "",
		"{ AF_INET 192.0.2.1.1:1 }":                                 "",
		"{ AF_INET 192.0.2.1:-1 }":                                  "",
		"{ AF_INET6 192.0.2.1:1 }":                                  "",
		"{ AF_INET6 [fe80::1%em0]:1 }":                              "",
		"{ AF_INET6 [" + strings.Repeat("1", 4096) + "]:1 }":        "",
		"{ AF_UNIX \"/tmp/a":                                        "",
		"{ AF_X 1:2 }":                                              "",
		"{ mode=-rw-r--r-- ,inode=3123,size=309,blksize=32768 }": "",
		"\tAF_INET  name = 192.0.2.1":                            "",
		"\tAF_INET  name = 192.0.2.1  port = ":                   "",
		"\tAF_INET  name = 192.0.2.1  port = 80x":                "",
		"\tAF_INET  = 192.0.2.1  port = 80":                      "",
		"\tAF_INET  a b = 192.0.2.1  port = 80":                  "",
		"\tXAF_INET  name = 192.0.2.1  port = 80":                "",
		"\tAF_NCA  name = 192.0.2.1  port = 80":                  "",
		"\tAF_INET":                                              "",
		"AF_INET = 1.2.3.4  port = 5":                            "",
	} {
		var a Addr
		got := ""
		if Sockaddr([]byte(in), &a) {
			got = fmt.Sprintf("%s %v %s", a.Family, a.AddrPort, a.Path)
		} else if a.Family != nil || a.Path != nil || a.AddrPort.IsValid() {
			t.Errorf("%q: %+v is left", in, a)
		}
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestAllocs checks that a line is parsed without allocations.
func TestAllocs(t *testing.T) {
	lines := bytes.Split(bytes.TrimSuffix(sample(t), []byte("\n")), []byte("\n"))
	var l Line
	var a Addr
	out := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(10, func() {
		for _, line := range lines {
			if bytes.Contains(line, []byte("AF_INET6")) { // netip needs a string
				continue
			}
			Parse(line, &l)
			Append(out, &l)
			for _, arg := range l.Args() {
				String(out, arg)
				Sockaddr(arg, &a)
				FD(arg)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
