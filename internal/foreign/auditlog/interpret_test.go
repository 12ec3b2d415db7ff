package auditlog_test

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"

	. "github.com/pidwire/pidwire/internal/foreign/auditlog"
)

func TestRead(t *testing.T) {
	for line, want := range map[string]Kind{
		"": Empty, "\n": Empty, " \t\r\n": Empty,
		"----": Separator, "----\n": Separator, "-------- ": Separator, "---": Unknown, "---- x": Unknown,
		"time->Thu Mar 26 08:01:30 2009\n":                                                            TimeLine,
		"type=EOE msg=audit(1238054490.962:157574): ":                                                 Raw,
		"node=a type=EOE msg=audit(1238054490.962:157574): \r\n":                                      Raw,
		"type=EOE msg=audit(03/26/2009 08:01:30.962:157574) : ":                                       Interpreted,
		"node=a type=EOE msg=audit(26.03.2009 08:01:30.962:157574) : ":                                Interpreted,
		"type=1300 audit(1238054490.962:157574): arch=40000003":                                       Printed,
		"audit: type=1300 audit(1238054490.962:157574): arch=40000003":                                Printed,
		"[ 4939.136084] audit: type=1300 audit(1.000:559): arch=c000003e":                             Printed,
		"<5>[ 4939.136084] audit: type=1300 audit(1.000:559): arch=1":                                 Printed,
		"[Wed Nov 25 14:32:37 2026] audit: type=1400 audit(1.000:5): a=b":                             Printed,
		"Nov  5 14:10:01 host kernel: [ 4939.1] audit: type=1400 audit(1.000:5): apparmor=\"DENIED\"": Printed,
		"2026-11-25T14:10:01.1+00:00 host kernel: audit: type=1400 audit(1.000:5): a=b":               Printed,
		// Not from the kernel.
		"Nov  5 14:10:01 host sshd[1]: x kernel: audit: type=1400 audit(1.000:5): a=b": Unknown,
		"Nov  5 14:10:01 host sshd[1]: audit: type=1400 audit(1.000:5): a=b":           Unknown,
		"x audit: type=1400 audit(1.000:5): a=b":                                       Unknown,
		"<no matches>":                                                                 Unknown, "...": Unknown, "audit: type=SYSCALL audit(1.000:5): ": Unknown, "audit: type=99999 audit(1.000:5): ": Unknown, "audit: type=1300": Unknown,
		"type=EOE": Unknown, "type=EOE msg=audit(": Unknown, "type=EOE msg=x": Unknown, "type=EOE msg=audit(?.962:1) : ": Unknown,
	} {
		r := Record{Serial: 7, Interpreted: true, Fields: []byte("left over")}
		if got := Read([]byte(line), &r); got != want {
			t.Errorf("%q: kind %d, want %d", line, got, want)
		} else if got < Raw && !same(r, Record{}) {
			t.Errorf("%q: it is no record, and left %+v", line, r)
		} else if got >= Raw && (r.Serial == 0 || r.Serial == 7 || r.Type == 0 || r.Interpreted != (got == Interpreted)) {
			t.Errorf("%q: %+v", line, r)
		}
	}
}

func TestDates(t *testing.T) {
	at := func(s string) int64 {
		w, err := time.Parse("2006-01-02 15:04:05", s)
		if err != nil {
			t.Fatal(err)
		}
		return w.Unix()
	}
	for _, c := range []struct{ stamp, sec, dayFirst string }{
		{"03/26/2009 08:01:30.962", "2009-03-26 08:01:30", ""}, // C.UTF-8 has two digits, en_US four
		{"03/26/09 08:01:30.962", "2009-03-26 08:01:30", ""},
		{"26/03/09 08:01:30.962", "2009-03-26 08:01:30", "2009-03-26 08:01:30"}, // en_GB, fr_FR
		{"03/04/26 00:00:00.000", "2026-03-04 00:00:00", "2026-04-03 00:00:00"},
		{"04/04/26 00:00:01.000", "2026-04-04 00:00:01", ""},
		{"03.04.2026 00:00:01.000", "2026-04-03 00:00:01", "2026-04-03 00:00:01"}, // de_DE
		{"3. 4. 2026 00:00:01.000", "2026-04-03 00:00:01", "2026-04-03 00:00:01"}, // cs_CZ
		{"03-04-26 00:00:01.000", "2026-04-03 00:00:01", "2026-04-03 00:00:01"},   // nl_NL
		{"03-26-26 00:00:01.000", "2026-03-26 00:00:01", ""},
		{"2026-03-04 00:00:01.000", "2026-03-04 00:00:01", ""},    // sv_SE
		{"2026年03月04日 00:00:01.000", "2026-03-04 00:00:01", ""},   // ja_JP
		{"2026년 03월 04일 00:00:01.000", "2026-03-04 00:00:01", ""}, // ko_KR
		{"2026/03/04 23:59:60.999", "2026-03-05 00:00:00", ""},    // a leap second
		{"02/29/2024 00:00:00.000", "2024-02-29 00:00:00", ""},    //
		{"02/29/2000 00:00:00.000", "2000-02-29 00:00:00", ""},    //
		{"02/29/2023 00:00:00.000", "", ""},                       //
		{"29/02/2100 00:00:00.000", "", ""},                       //
		{"01/01/70 00:00:00.000", "1970-01-01 00:00:00", ""},      //
		{"12/31/69 00:00:00.000", "", ""},                         //
		{"01/02/68 00:00:00.000", "2068-01-02 00:00:00", "2068-02-01 00:00:00"},
		{"13/13/26 00:00:00.000", "", ""}, {"00/01/26 00:00:00.000", "", ""}, {"03/26 00:00:00.000", "", ""}, {"1/2/3/4 00:00:00.000", "", ""},
		{"03/26/20260 00:00:00.000", "", ""}, {"25/11/2569 00:00:00.000", "", ""}, // th_TH has the Buddhist era
		{"03/26/2026 24:00:00.000", "", ""}, {"03/26/2026 00:60:00.000", "", ""}, {"03/26/2026 00:00:61.000", "", ""}, {"03/26/2026 00:00:00", "", ""},
		{"03/26/2026 0:00:00.000", "", ""}, {"03/26/2026 00.00.00.000", "", ""}, {"03/26/2026", "", ""}, {"Thu Mar 26 2009 08:01:30.962", "", ""},
		{strings.Repeat(" ", 70) + "03/26/2026 00:00:00.000", "", ""},
	} {
		var r Record
		kind := Read([]byte("type=EOE msg=audit("+c.stamp+":5) : "), &r)
		if c.sec == "" {
			if kind != Unknown {
				t.Errorf("%s is a date: %+v", c.stamp, r)
			}
			continue
		}
		dayFirst := int64(0)
		if c.dayFirst != "" {
			dayFirst = at(c.dayFirst)
		}
		if kind != Interpreted || r.Sec != at(c.sec) || r.DayFirst != dayFirst || r.Serial != 5 || r.Milli != int64(c.stamp[len(c.stamp)-1]-'0')*111%1000 && r.Milli != 962 {
			t.Errorf("%s: kind %d, %d, day first %d, %+v", c.stamp, kind, r.Sec, r.DayFirst, r)
		}
	}
	// Every day, to check leap years.
	for day := time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() < 2243; day = day.AddDate(0, 0, 1) {
		var r Record
		if Read([]byte(day.Format("type=EOE msg=audit(2006-01-02 15:04:05.000:1) : ")), &r) != Interpreted || r.Wall() != day.UnixNano() {
			t.Fatalf("%v: %+v", day, r)
		}
	}
}

// names has a few names of pidwire's tables.
func names(abi uint8, key string, name []byte) (int64, bool) {
	if key == "syscall" && abi == 3 {
		return 206, string(name) == "sendto"
	}
	n, ok := map[string]map[string]int64{
		"syscall": {"socketcall": 102, "connect": 42, "bind": 49, "socket": 41, "sendto": 44, "setsockopt": 54, "write": 1},
		"exit": {"ENOENT": -2, "EACCES": -13, "EINVAL": -22, "EPROTOTYPE": -91, "EOPNOTSUPP": -95, "EAFNOSUPPORT": -97, "ENETUNREACH": -101,
			"ECONNREFUSED": -111, "EINPROGRESS": -115},
		"a0": {"inet": 2, "inet6": 10},
		"a1": {"SOCK_STREAM": 1, "SOL_PACKET": 263, "SOCK_RAW": 3},
		"a2": {"tcp": 6, "PACKET_ADD_MEMBERSHIP": 1, "icmp": 1},
		"a3": {"MSG_DONTWAIT|MSG_NOSIGNAL": 0x4040, "MSG_NOSIGNAL": 0x4000},
	}[key][string(name)]
	return n, ok && (key == "exit" || abi != 0)
}

func TestAppendRaw(t *testing.T) {
	const call = "type=SYSCALL msg=audit(03/26/2009 08:01:30.962:157574) : "
	const raw = "type=SYSCALL msg=audit(1238054490.962:157574): "
	for _, c := range []struct{ line, named, unnamed string }{
		{"type=PROCTITLE msg=audit(11/25/2026 14:10:01.236:3) : proctitle=auditctl -l",
			"type=PROCTITLE msg=audit(1795615801.236:3): proctitle=" + hexOf("auditctl -l"), ""},
		{call + "arch=i386 syscall=socketcall success=no exit=EINPROGRESS(Operation now in progress) a0=connect a1=0xff918ea4 a2=0xab8ce88 a3=0x2000 items=0 ppid=9743 pid=9744 auid=unset uid=s3op2 gid=unknown(1002) tty=pts61 ses=unset comm=emulator exe=/data/s3op2/emulator key=emulator ",
			raw + `arch=40000003 syscall=102 success=no exit=-115 a0=3 a1=ff918ea4 a2=ab8ce88 a3=2000 items=0 ppid=9743 pid=9744 auid=4294967295 uid=s3op2 gid=1002 tty=pts61 ses=4294967295 comm="emulator" exe="/data/s3op2/emulator" key="emulator"`,
			raw + `arch=40000003 syscall=socketcall success=no exit=EINPROGRESS a0=3 a1=ff918ea4 a2=ab8ce88 a3=2000 items=0 ppid=9743 pid=9744 auid=4294967295 uid=s3op2 gid=1002 tty=pts61 ses=4294967295 comm="emulator" exe="/data/s3op2/emulator" key="emulator"`},
		{call + "arch=i386 syscall=socketcall(send) a0=send", raw + "arch=40000003 syscall=102 a0=9", raw + "arch=40000003 syscall=socketcall a0=9"},
		{call + "arch=i386 syscall=socketcall(x) a0=unknown-socketcall(7f)", raw + "arch=40000003 syscall=102 a0=7f", raw + "arch=40000003 syscall=socketcall a0=7f"},
		{call + "arch=x86_64 syscall=socket exit=3 a0=inet6 a1=SOCK_STREAM a2=tcp a3=16", raw + "arch=c000003e syscall=41 exit=3 a0=a a1=1 a2=6 a3=10", raw + "arch=c000003e syscall=socket exit=3 a0=inet6 a1=SOCK_STREAM a2=tcp a3=10"},
		{call + "arch=x86_64 syscall=unknown-syscall(1073741866) exit=-22 a0=-1", raw + "arch=c000003e syscall=1073741866 exit=-22 a0=ffffffffffffffff", ""},
		{call + "arch=armeb exit=(null)(Unknown error 512) a0=0x a1=0xg a2=unknown-x() a3=", raw + "arch=40000028 exit=-512 a0=0x a1=0xg a2=unknown-x() a3=", ""},
		{call + "arch=aarch64", raw + "arch=c00000b7", ""}, {call + "arch=unknown-elf-type(c00000f3)", raw + "arch=c00000f3", ""}, {call + "arch=pdp11", raw + "arch=pdp11", ""},
		{call + "arch=c000003e exit=EWHAT(Never heard) exit=(null)(x) exit=( exit=", raw + "arch=c000003e exit=EWHAT exit=(null)(x) exit=( exit=", ""},
		// Text chosen by a process is not a field.
		{call + "pid=5 comm=a pid=1 exe=/x pid=2 b subj=unconfined key=k", raw + "pid=5 comm=" + hexOf("a pid=1") + " exe=" + hexOf("/x pid=2 b") + ` subj=unconfined key="k"`, ""},
		{call + "comm=a exe=/b exe=/c key=d", raw + "comm=" + hexOf("a exe=/b") + ` exe="/c" key="d"`, ""},
		{call + `comm="x" uid=0 exe=/c`, raw + "comm=" + hexOf(`"x" uid=0`) + ` exe="/c"`, ""},
		{call + `comm="x" exe="/c"`, raw + `comm="x" exe="/c"`, ""},
		{call + `comm=\001\033[ exe=/ü key=(null)`, raw + "comm=" + hexOf("\x01\x1b[") + " exe=" + hexOf("/ü") + " key=(null)", ""},
		{call + "comm= exe= key=", raw + `comm="" exe="" key=""`, ""},
		{call + "comm=(systemd) exe=/b (deleted) key=a b", raw + `comm="(systemd)" exe=` + hexOf("/b (deleted)") + " key=" + hexOf("a b"), ""},
		{call + "key=net key=dns key=c d", raw + "key=" + hexOf("net\x01dns\x01c d"), ""},
		{call + "= a=1", raw + "a=1", ""}, {call + "pid=1  pid=2 uid=root comm=a pid=3 uid=0 ses=1 ses=2 pid b=c", raw + `pid=1 pid=2 uid=root comm="a" ses=1 pid b=c`, ""},
		{"type=PATH msg=audit(03/26/2009 08:01:30.962:1) : item=0 name=/a inode=1 b inode=5 dev=08:01 mode=file,644 nametype=NORMAL",
			"type=PATH msg=audit(1238054490.962:1): item=0 name=" + hexOf("/a inode=1 b") + " inode=5 dev=08:01 mode=file,644 nametype=NORMAL", ""},
		{"type=PATH msg=audit(03/26/2009 08:01:30.962:1) : item=0 name=/a b=c nametype=UNKNOWN", "type=PATH msg=audit(1238054490.962:1): item=0 name=" + hexOf("/a b=c") + " nametype=UNKNOWN", ""},
		{"type=AVC msg=audit(03/26/2009 08:01:30.962:1) : apparmor=DENIED name=/a b pid=5 comm=x pid=1 = c=", `type=AVC msg=audit(1238054490.962:1): apparmor=DENIED name=` + hexOf("/a b") + ` pid=5 comm="x" c=`, ""},
		{"type=CONFIG_CHANGE msg=audit(03/26/2009 08:01:30.962:1) : auid=unset ses=unset op=add_rule key=my net list=exit res=yes",
			"type=CONFIG_CHANGE msg=audit(1238054490.962:1): auid=4294967295 ses=4294967295 op=add_rule key=" + hexOf("my net") + " list=exit res=yes", ""},
		{call + "comm=cafe", raw + `comm="cafe"`, ""},
		{"type=AVC msg=audit(03/26/2009 08:01:30.962:1) : avc:  denied  { name_connect } for  pid=3012 comm=Web Content dest=8080 tclass=tcp_socket",
			"type=AVC msg=audit(1238054490.962:1): avc: denied { name_connect } for pid=3012 comm=" + hexOf("Web Content") + " dest=8080 tclass=tcp_socket", ""},
		{"node=n type=SOCKETCALL msg=audit(03/26/2009 08:01:30.962:1) : nargs=3 a0=0x3 a1=0xbfe2c9c0 a2=0x10", "node=n type=SOCKETCALL msg=audit(1238054490.962:1): nargs=3 a0=3 a1=bfe2c9c0 a2=10", ""},
		{"type=EXECVE msg=audit(03/26/2009 08:01:30.962:1) : argc=2 a0=10 a1=0x3", "type=EXECVE msg=audit(1238054490.962:1): argc=2 a0=10 a1=0x3", ""},
		{"type=SOCKADDR msg=audit(03/26/2009 08:01:30.962:1) : saddr={ saddr_fam=inet laddr=124.65.150.30 lport=5222 } ", "type=SOCKADDR msg=audit(1238054490.962:1): saddr=020014667C41961E0000000000000000", ""},
		{"type=SOCKADDR msg=audit(03/26/2009 08:01:30.962:1) : saddr=inet host:1.2.3.4 serv:80 ", "type=SOCKADDR msg=audit(1238054490.962:1): saddr=02000050010203040000000000000000", ""},
		{"type=SOCKADDR msg=audit(03/26/2009 08:01:30.962:1) : saddr=what is this ", "type=SOCKADDR msg=audit(1238054490.962:1): saddr=what is this", ""},
		{"type=USER_LOGIN msg=audit(03/26/2009 08:01:30.962:1) : pid=1 uid=root auid=unset msg='op=login acct=o'brien res=success' ", "type=USER_LOGIN msg=audit(1238054490.962:1): pid=1 uid=root auid=4294967295 msg='op=login acct=o'brien res=success'", ""},
		{"[ 4939.136084] audit: type=1300 audit(1795617198.656:559): arch=c000003e a0=3", "type=SYSCALL msg=audit(1795617198.656:559): arch=c000003e a0=3", ""},
		{"type=UNKNOWN[1399] msg=audit(03/26/2009 08:01:30.962:1) : a=b", "type=UNKNOWN[1399] msg=audit(1238054490.962:1): a=b", ""},
	} {
		var r Record
		if kind := Read([]byte(c.line), &r); kind != Interpreted && kind != Printed {
			t.Errorf("%q: kind %d", c.line, kind)
			continue
		}
		if c.unnamed == "" {
			c.unnamed = c.named
		}
		if got := string(r.AppendRaw(nil, names)); got != c.named {
			t.Errorf("%q:\n got %s\nwant %s", c.line, got, c.named)
		}
		if got := string(r.AppendRaw([]byte("x"), nil)); got != "x"+c.unnamed {
			t.Errorf("%q, without names:\n got %s\nwant %s", c.line, got, c.unnamed)
		}
		r.Sec -= 3600 // time zone offset
		if again, ok := Parse(r.AppendRaw(nil, nil)); !ok || again.Wall() != r.Wall() || again.Type != r.Type {
			t.Errorf("%q: an hour before: %+v", c.line, again)
		}
	}
}

func hexOf(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) }

func TestAddress(t *testing.T) {
	for v, want := range map[string]string{
		"020014667C41961E40CF990A0F930A08":                           "020014667c41961e40cf990a0f930a08",
		"{ saddr_fam=inet laddr=124.65.150.30 lport=5222 }":          "020014667c41961e0000000000000000",
		"{ fam=inet laddr=124.65.150.30 lport=5222 }":                "020014667c41961e0000000000000000",
		"inet host:124.65.150.30 serv:5222":                          "020014667c41961e0000000000000000",
		"inet host:124.65.150.30 serv:5222 ":                         "020014667c41961e0000000000000000",
		"{ saddr_fam=inet6 laddr=::1 lport=5 }":                      "0a000005000000000000000000000000000000000000000100000000",
		"{ saddr_fam=inet6 laddr=fe80::1%lo lport=53 }":              "0a00003500000000fe80000000000000000000000000000100000000",
		"{ saddr_fam=inet6 laddr=fe80::1%437852183 lport=53 }":       "0a00003500000000fe8000000000000000000000000000011718191a",
		"{ saddr_fam=inet6 laddr=::ffff:1.2.3.4 lport=65535 }":       "0a00ffff0000000000000000000000000000ffff0102030400000000",
		"inet6 host:::1 serv:5":                                      "0a000005000000000000000000000000000000000000000100000000",
		"{ saddr_fam=inet6 laddr=fe80::1%99999999999 lport=53 }":     "0a00003500000000fe80000000000000000000000000000100000000",
		"{ saddr_fam=local path=/run/x }":                            "0100" + hex.EncodeToString([]byte("/run/x\x00")),
		"{ saddr_fam=local path=/run/a } b }":                        "0100" + hex.EncodeToString([]byte("/run/a } b\x00")),
		"{ saddr_fam=local path=./x y }":                             "0100" + hex.EncodeToString([]byte("./x y\x00")),
		"{ saddr_fam=local path=abstract name }":                     "0100" + hex.EncodeToString([]byte("\x00abstract name")),
		`{ saddr_fam=local path=\001\037\040 }`:                      "0100" + hex.EncodeToString([]byte("\x00\x01\x1f\\040")),
		"local /run/x ":                                              "0100" + hex.EncodeToString([]byte("/run/x\x00")),
		"{ saddr_fam=local path=/" + strings.Repeat("x", 200) + " }": "0100" + hex.EncodeToString([]byte("/"+strings.Repeat("x", 107))),
		"{ saddr_fam=local path=/" + strings.Repeat("x", 106) + " }": "0100" + hex.EncodeToString([]byte("/"+strings.Repeat("x", 106)+"\x00")),
		"{ saddr_fam=local unnamed socket }":                         "0100",
		"{ saddr_fam=local sockaddr len too short }":                 "0100",
		"{ saddr_fam=local path= }":                                  "0100",
		"{ saddr_fam=netlink nlnk-fam=16 nlnk-pid=100992003 }":       "1000000003" + "040506" + "00000000",
		"netlink pid:7":                                                       "100000000700000000000000",
		"{ saddr_fam=netlink len too short }":                                 "1000",
		"{ saddr_fam=netlink nlnk-fam=16 nlnk-pid=99999999999 }":              "1000",
		"{ saddr_fam=packet (unsupported) }":                                  "1100",
		"{ saddr_fam=inet sockaddr len too short }":                           "0200",
		"{ saddr_fam=inet6 sockaddr6 len too short }":                         "0a00",
		"{ saddr_fam=inet laddr=host.example.org lport=80 }":                  "0200",
		"{ saddr_fam=inet laddr=1.2.3.4 lport=65536 }":                        "0200",
		"{ saddr_fam=inet laddr=1.2.3.4 lport=http }":                         "0200",
		"{ saddr_fam=inet laddr=::1 lport=80 }":                               "0200",
		"{ saddr_fam=inet laddr=" + strings.Repeat("1", 9999) + " lport=80 }": "0200",
		"unknown-family(45)":                                                  "2d00",
		"unknown family(258)":                                                 "0201",
		"{ saddr_fam=mctp (unsupported) }":                                    "2d00",
	} {
		got, ok := Address([]byte{0xee}, []byte(v))
		if !ok || hex.EncodeToString(got) != "ee"+want {
			t.Errorf("%q: %x, %v\nwant %s", v, got, ok, want)
		}
	}
	for _, v := range []string{"", "{", "{}", "{ }", "}", "?", "(null)", "saddr_fam=", "what is this", "unknown-family(65536)", "unknown-family(x)", "unknown-family()", "123", "10.0.0.1"} {
		if got, ok := Address([]byte{0xee}, []byte(v)); ok || len(got) != 1 {
			t.Errorf("%q: %x", v, got)
		}
	}
}

// TestHostileLines checks that no repetitive line takes quadratic time.
func TestHostileLines(t *testing.T) {
	for _, part := range []string{"a=( ", "a=\"", "a='x ", "a={ ", "saddr={ ", "a=(x) ", "(", ")", "a=)", " ", "=", "key=a ", "name=a ", "comm=a ", "exe=a ", "proctitle=a ", "subj=a (b ", "x ", `\001`, "msg='a "} {
		for _, kind := range []string{"SYSCALL", "SOCKADDR"} {
			for _, stamp := range []string{"03/26/2009 08:01:30.962:1) :", "1238054490.962:1):"} {
				line := []byte("type=" + kind + " msg=audit(" + stamp + " comm=" + strings.Repeat(part, 20000/len(part)))
				began := time.Now()
				var r Record
				kind := Read(line, &r)
				for rest := r.Fields; len(rest) > 0; {
					_, _, rest = Next(rest)
				}
				raw := r.AppendRaw(nil, names)
				if took := time.Since(began); kind < Raw || took > time.Second || len(raw) > 4*maxRecord {
					t.Errorf("%q again and again: kind %d, %v, %d bytes", part, kind, took, len(raw))
				}
			}
		}
	}
}
