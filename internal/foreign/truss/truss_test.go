package truss

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// mustParse parses a line, and checks that the result of Append parses to the same line.
func mustParse(t *testing.T, line string) *Line {
	t.Helper()
	l, again := new(Line), new(Line)
	if err := Parse([]byte(line), l); err != nil {
		t.Fatalf("%v: %q", err, line)
	}
	text := Append(nil, l)
	if err := Parse(text, again); err != nil || dump(again) != dump(l) {
		t.Errorf("%q printed again: %q\n%s\n%s", line, text, dump(l), dump(again))
	}
	return l
}

// joinAll returns the lines that a Joiner emits. It overwrites the bytes of each line after Add.
func joinAll(t *testing.T, in string) []string {
	t.Helper()
	var out []string
	var j Joiner
	var l, again Line
	emit := func(l *Line) {
		text := Append(nil, l)
		if err := Parse(text, &again); l.Kind != Unknown && (err != nil || again.Kind != l.Kind || again.Addr != l.Addr) {
			t.Errorf("given on as %v, printed again as %q: %v", l.Kind, text, err)
		}
		out = append(out, show(l))
	}
	for line := range strings.Lines(in) {
		line := []byte(strings.TrimSuffix(line, "\n"))
		if err := Parse(line, &l); err != nil {
			t.Errorf("%v: %q", err, line)
		}
		j.Add(&l, emit)
		copy(line, bytes.Repeat([]byte("#"), len(line)))
	}
	j.Flush(emit)
	if len(j.index) != 0 || len(j.procs) != 0 || j.bytes != 0 || j.used != 0 {
		t.Errorf("%d threads, %d processes, %d parts, %d bytes are left", len(j.index), len(j.procs), j.used, j.bytes)
	}
	return out
}

// TestTranscripts parses a transcript of a client on each system. The transcripts are made up from
// the sources and manuals; the addresses are those reserved for documentation.
func TestTranscripts(t *testing.T) {
	for _, name := range []string{"solaris", "aix", "freebsd"} {
		b, err := os.ReadFile(filepath.Join("testdata", name+".truss"))
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(joinAll(t, string(b)), "\n") + "\n"
		golden := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: reads\n%s\nwant\n%s", name, got, want)
		}
		only, lines := 0, 0
		for line := range strings.Lines(string(b)) {
			lines++
			if Is([]byte(strings.TrimSuffix(line, "\n"))) {
				only++
			}
		}
		if only*10 < lines*7 {
			t.Errorf("%s: only %d of %d lines are told from strace's", name, only, lines)
		}
	}
}

func TestLeader(t *testing.T) {
	const ms = 1_000_000
	for _, c := range []struct {
		in               string
		pid, lwp         uint32
		time, delta, sys int64 // -1: none
		flavor           Flavor
	}{
		{"", 0, 0, -1, -1, -1, Any},
		{"1234:\t", 1234, 0, -1, -1, -1, Any},
		{"1234/5:\t\t", 1234, 5, -1, -1, -1, Solaris},
		{"123456/5:\t", 123456, 5, -1, -1, -1, Solaris},
		{"/5:\t", 0, 5, -1, -1, -1, Solaris},
		{"/5@6:\t", 0, 5, -1, -1, -1, Solaris},
		{"1234/5@6:\t", 1234, 5, -1, -1, -1, Solaris},
		{"1815/1:         ", 1815, 1, -1, -1, -1, Solaris},
		{"1234:   ", 1234, 0, -1, -1, -1, Any},
		{" 0.1370\t", 0, 0, 137 * ms, -1, -1, Any},
		{"10.1370\t", 0, 0, 10137 * ms, -1, -1, Any},
		{"1826:\t 0.1370\t", 1826, 0, 137 * ms, -1, -1, Any},
		{"1826:    0.1370 ", 1826, 0, 137 * ms, -1, -1, Any},
		{"1841:\t 0.2406\t 0.0008\t 0.0001\t", 1841, 0, 2406 * ms / 10, ms * 8 / 10, ms / 10, Any},
		{"1841:    0.2406  0.0008  0.0001 ", 1841, 0, 2406 * ms / 10, ms * 8 / 10, ms / 10, Any},
		{"1841/2:\t\t 0.2406\t", 1841, 2, 2406 * ms / 10, -1, -1, Solaris},
		{"55509328: 78709137: ", 55509328, 78709137, -1, -1, -1, AIX},
		{"13107408:\t\t45744221: ", 13107408, 45744221, -1, -1, -1, AIX},
		{"13107408:       45744221: ", 13107408, 45744221, -1, -1, -1, AIX},
		{"0.1234: ", 0, 0, 1234 * ms / 10, -1, -1, AIX},
		{"0.1234:        ", 0, 0, 1234 * ms / 10, -1, -1, AIX},
		{"0.1234: 0.0001: ", 0, 0, 1234 * ms / 10, ms / 10, -1, AIX},
		{"12: 34: 0.1234: ", 12, 34, 1234 * ms / 10, -1, -1, AIX},
		{"0.1234: 12: 34: ", 12, 34, 1234 * ms / 10, -1, -1, AIX},
		{"33324 100296: ", 33324, 100296, -1, -1, -1, FreeBSD},
		{" 4711 100296: 1.389680761 ", 4711, 100296, 1389680761, -1, -1, FreeBSD},
		{"    7: 0.000000001 0.000000002 ", 7, 0, 1, 2, -1, FreeBSD},
		{"-1.000000001 ", 0, 0, -1000000001, -1, -1, FreeBSD},
	} {
		for _, rest := range []string{"close(3)\t= 0", "read(0, 0x0, 4)\t(sleeping...)", "_exit(0)"} {
			l := mustParse(t, c.in+rest)
			ns := func(s Stamp) int64 {
				if s.Clock == NoClock {
					return -1
				}
				return s.NS
			}
			if l.PID != c.pid || l.LWP != c.lwp || ns(l.Time) != c.time || ns(l.Delta) != c.delta || ns(l.Sys) != c.sys || l.Flavor != c.flavor {
				t.Errorf("%q: %s", c.in+rest, show(l))
			}
		}
	}
	// Thread ids without pids (-H).
	if l := mustParse(t, "100567: close(3)\t\t = 0 (0x0)"); l.PID != 0 || l.LWP != 100567 {
		t.Error(show(l))
	}
	if l := mustParse(t, "99999: close(3)\t\t = 0 (0x0)"); l.PID != 99999 || l.LWP != 0 {
		t.Error(show(l))
	}
}

func TestCall(t *testing.T) {
	for in, want := range map[string]string{
		`connect(4, 0x08047A20, 16, SOV_DEFAULT)		= 0`:                               `Call Solaris connect(4 ; 0x08047A20 ; 16 ; SOV_DEFAULT) = 0`,
		`connect(4, 0x08047A20, 16, SOV_DEFAULT)		Err#150 EINPROGRESS`:               `Call Solaris connect(4 ; 0x08047A20 ; 16 ; SOV_DEFAULT) = -1 EINPROGRESS 150 ""`,
		`connext(3, 0x2FF22918, 16)          Err#55  EINPROGRESS`:                    `Call AIX connext(3 ; 0x2FF22918 ; 16) = -1 EINPROGRESS 55 ""`,
		`foo(3)          Err#55 EINPROGRESS`:                                         `Call AIX foo(3) = -1 EINPROGRESS 55 ""`,
		`foo(3)          Err#150 EINPROGRESS`:                                        `Call Solaris foo(3) = -1 EINPROGRESS 150 ""`,
		`foo(3)          Err#11 EAGAIN`:                                              `Call Any foo(3) = -1 EAGAIN 11 ""`,
		`foo(3)          Err#150`:                                                    `Call Any foo(3) = -1  150 ""`,
		`so_foo(3)       Err#150`:                                                    `Call Solaris so_foo(3) = -1 EINPROGRESS 150 ""`,
		`kopen(3)        Err#55`:                                                     `Call AIX kopen(3) = -1 EINPROGRESS 55 ""`,
		`open("/etc/shadow", O_RDONLY)			Err#13 EACCES [file_dac_read]`:              `Call Any open("/etc/shadow" ; O_RDONLY) = -1 EACCES 13 "" priv=file_dac_read data="/etc/shadow"`,
		`open("/a)  = 3", O_RDONLY)			= 4`:                                           `Call Any open("/a)  = 3" ; O_RDONLY) = 4 data="/a)  = 3"`,
		`open("/a\"), (", O_RDONLY)			= 4`:                                           `Call Any open("/a\"), (" ; O_RDONLY) = 4 data="/a\"), ("`,
		`so_socket(PF_INET, SOCK_STREAM, IPPROTO_IP, NULL, SOV_DEFAULT) = 4`:         `Call Solaris so_socket(PF_INET ; SOCK_STREAM ; IPPROTO_IP ; NULL ; SOV_DEFAULT) = 4`,
		`so_socket(PF_INET, SOCK_STREAM, IPPROTO_IP, "", SOV_XPG4_2) = 3`:            `Call Solaris so_socket(PF_INET ; SOCK_STREAM ; IPPROTO_IP ; "" ; SOV_XPG4_2) = 3 data=""`,
		`read(3, " h e l l o", 10)			= 5`:                                            `Call Any read(3 ; " h e l l o" ; 10) = 5 data="hello"`,
		`write(1, " a " , "\n8F", 6)			= 6`:                                          `Call Any write(1 ; " a " , "\n8F" ; 6) = 6 data="a\",\"\n\x8f"`,
		`write(1, " ) ) ( ) "".., 66)			= 66`:                                        `Call Any write(1 ; " ) ) ( ) "".. ; 66) = 66 data="))()\""...`,
		`kwrite(1, " h e l l o\n", 6)  = 6`:                                          `Call AIX kwrite(1 ; " h e l l o\n" ; 6) = 6 data="hello\n"`,
		`kwrite(3, "\0\0\0\0\0\0\0\0\0\0\0\0".., 1048576) Err#32 EPIPE`:              `Call AIX kwrite(3 ; "\0\0\0\0\0\0\0\0\0\0\0\0".. ; 1048576) = -1 EPIPE 32 "" data="\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"...`,
		`pipe()						= 4 [5]`:                                                        `Call Any pipe() = 4 [5]`,
		`pipe()						= 4 [ 5 ]`:                                                      `Call Any pipe() = 4 [5]`,
		`lwp_sigmask(SIG_SETMASK, 0x00020000, 0x00000000) = 0xFFBFFEFF [0x0000FFFF]`: `Call Any lwp_sigmask(SIG_SETMASK ; 0x00020000 ; 0x00000000) = 4290772735 [65535]`,
		`fork()						= 1235`:                                                         `Call Any fork() = 1235`,
		`fork()		(returning as child ...)	= 1234`:                                    `Call Any fork() = 1234 child`,
		`lwp_create()	(returning as new lwp ...)	= 0`:                                `Call Any lwp_create() = 0 child`,
		`umask(0)					= 022`:                                                         `Call Any umask(0) = 18`,
		`sigtimedwait(0x1, 0x2, 0x3)			= SIGALRM`:                                    `Call Any sigtimedwait(0x1 ; 0x2 ; 0x3) = 0?`,
		`thread_init(0x00, 0x01) =`:                                                  `Call Any thread_init(0x00 ; 0x01) = 0?`,
		`sbrk(0x0000000000000000)                        = 0x000000011000A918`:       `Call AIX sbrk(0x0000000000000000) = 4563446040`,
		`llseek(0, 0, SEEK_CUR)				= 0x100000001`:                                    `Call Any llseek(0 ; 0 ; SEEK_CUR) = 4294967297`,
		`lseek(0, 0, SEEK_CUR)				= 18446744073709551615`:                            `Call Any lseek(0 ; 0 ; SEEK_CUR) = -1`,
		`execve("/usr/bin/ls", 0x08047558, 0x08047568)  argc = 3`:                    `Call Solaris execve("/usr/bin/ls" ; 0x08047558 ; 0x08047568) = 0 data="/usr/bin/ls"`,
		`execve("./sim1", 0x2FF228C8, 0x2FF228D0)       argc: 1`:                     `Call AIX execve("./sim1" ; 0x2FF228C8 ; 0x2FF228D0) = 0 data="./sim1"`,
		`_exit(0)`: `Call Any _exit(0)`,
		`read(0, 0x08047A20, 1024)	(sleeping...)`:                                                                   `Unfinished Any read(0 ; 0x08047A20 ; 1024)`,
		`vfork()				(waiting for child to exit()/exec()...)`:                                                        `Unfinished Any vfork()`,
		`ioctl(3, (('f'<<8)|127), 0x0)			= 0`:                                                                       `Call Any ioctl(3 ; (('f'<<8)|127) ; 0x0) = 0`,
		`socket(PF_INET,SOCK_STREAM,0)			 = 3 (0x3)`:                                                                `Call FreeBSD socket(PF_INET ; SOCK_STREAM ; 0) = 3`,
		`connect(3,{ AF_INET 127.0.0.1:80 },16)		 ERR#36 'Operation now in progress'`:                               `Call FreeBSD connect(3 ; { AF_INET 127.0.0.1:80 } ; 16) = -1 EINPROGRESS 36 "Operation now in progress" addr=127.0.0.1:80`,
		`connect(5,{ AF_INET6 [::1]:443 },28)		 ERR#61 'Connection refused'`:                                        `Call FreeBSD connect(5 ; { AF_INET6 [::1]:443 } ; 28) = -1 ECONNREFUSED 61 "Connection refused" addr=[::1]:443`,
		`connect(5,{ AF_INET 1.2.3.4:80 },16) ERR#-115 'Operation now in progress'`:                                 `Call FreeBSD connect(5 ; { AF_INET 1.2.3.4:80 } ; 16) = -1 EINPROGRESS -115 "Operation now in progress" addr=1.2.3.4:80`,
		`bind(3,{ AF_INET 0.0.0.0:14000 },16)  ERR#49 'Can't assign requested address'`:                             `Call FreeBSD bind(3 ; { AF_INET 0.0.0.0:14000 } ; 16) = -1 EADDRNOTAVAIL 49 "Can't assign requested address" addr=0.0.0.0:14000`,
		`read(3,"GET / HTTP/1.0\r\n"...,1024)		 = 16 (0x10)`:                                                        `Call FreeBSD read(3 ; "GET / HTTP/1.0\r\n"... ; 1024) = 16 data="GET / HTTP/1.0\r\n"...`,
		`write(1,"a","b",1) = 3 (0x3)",26) = 26 (0x1a)`:                                                             `Call FreeBSD write(1 ; "a","b",1) = 3 (0x3)" ; 26) = 26 data="a\",\"b\",1) = 3 (0x3)"`,
		`sendto(3,"a" }",x",5,0,{ AF_UNIX "/tmp/"x" },106) = 5 (0x5)`:                                               `Call FreeBSD sendto(3 ; "a" }",x" ; 5 ; 0 ; { AF_UNIX "/tmp/"x" } ; 106) = 5 data="a\" }\",x"`,
		`sendto(3,"a",1,0,{ AF_INET 1.2.3.4:5 },16)	 = 1 (0x1)`:                                                     `Call FreeBSD sendto(3 ; "a" ; 1 ; 0 ; { AF_INET 1.2.3.4:5 } ; 16) = 1 data="a" addr=1.2.3.4:5`,
		`sendmsg(5,{{ AF_INET 1.2.3.4:9 },16,[{"a",1}],1,{},0,0},0) = 1 (0x1)`:                                      `Call FreeBSD sendmsg(5 ; {{ AF_INET 1.2.3.4:9 },16,[{"a",1}],1,{},0,0} ; 0) = 1 addr=1.2.3.4:9`,
		`read(0, 0x7fffffffe450, 1024)           ERR#35 'Resource temporarily unavailable'`:                         `Call FreeBSD read(0 ; 0x7fffffffe450 ; 1024) = -1 EAGAIN 35 "Resource temporarily unavailable"`,
		`fcntl(3,F_GETFL,)				 = 2 (0x2)`:                                                                           `Call FreeBSD fcntl(3 ; F_GETFL ; ) = 2`,
		`lseek(3,0x0,SEEK_SET)				 = -1 (0xffffffffffffffff)`:                                                       `Call FreeBSD lseek(3 ; 0x0 ; SEEK_SET) = -1`,
		`lseek(3,0x0,SEEK_SET)				 = -1 (0xffffffff)`:                                                               `Call FreeBSD lseek(3 ; 0x0 ; SEEK_SET) = -1`,
		`mmap(0x0,2097152,PROT_READ,MAP_PRIVATE|MAP_ANON|MAP_ALIGNED(21),-1,0x0) = 55820431654912 (0x32c4b5000000)`: `Call FreeBSD mmap(0x0 ; 2097152 ; PROT_READ ; MAP_PRIVATE|MAP_ANON|MAP_ALIGNED(21) ; -1 ; 0x0) = 55820431654912`,
		`ioctl(3,0x8004667e { IOW 0x66('f'), 126, 4 },0x7fffffffe40c)	 = 0 (0x0)`:                                   `Call FreeBSD ioctl(3 ; 0x8004667e { IOW 0x66('f'), 126, 4 } ; 0x7fffffffe40c) = 0`,
		`execve("/bin/ls",[ "ls", "-l" ],[ "A=b" ])	 = 0 (0x0)`:                                                     `Call FreeBSD execve("/bin/ls" ; [ "ls", "-l" ] ; [ "A=b" ]) = 0 data="/bin/ls"`,
		`#599(0x1,0x2)					 ERR#78 'Function not implemented'`:                                                      `Call FreeBSD #599(0x1 ; 0x2) = -1 ENOSYS 78 "Function not implemented"`,
		`exit(0x0)					`:  `Call FreeBSD exit(0x0)`,
		"close(3) = 0 \r": `Call Any close(3) = 0`,
	} {
		if got := show(mustParse(t, in)); got != want {
			t.Errorf("%s:\n got %s\nwant %s", in, got, want)
		}
	}
}

func TestKinds(t *testing.T) {
	for in, want := range map[string]string{
		`	AF_INET  name = 192.168.1.1  port = 80`:                    `Detail Any "\tAF_INET  name = 192.168.1.1  port = 80" addr=192.168.1.1:80`,
		`1648:		AF_INET  name = 0.0.0.0  port = 25588`:               `Detail Any 1648/0 "\tAF_INET  name = 0.0.0.0  port = 25588" addr=0.0.0.0:25588`,
		`1648:   AF_INET  name = 0.0.0.0  port = 25588`:              `Detail Any 1648/0 "   AF_INET  name = 0.0.0.0  port = 25588" addr=0.0.0.0:25588`,
		`1815/1:			AF_INET  to = 10.0.0.1  port = 53`:                `Detail Solaris 1815/1 "\tAF_INET  to = 10.0.0.1  port = 53" addr=10.0.0.1:53`,
		`	AF_INET6  name = ::1  port = 65535`:                        `Detail Any "\tAF_INET6  name = ::1  port = 65535" addr=[::1]:65535`,
		`	AF_UNIX  name = /tmp/x  y`:                                 `Detail Any "\tAF_UNIX  name = /tmp/x  y"`,
		`	AF_INET  name = 1.2.3.4  port = 65536`:                     `Detail Any "\tAF_INET  name = 1.2.3.4  port = 65536"`,
		`1234:	 argv: ls -l`:                                         `Detail Any 1234/0 " argv: ls -l"`,
		`1234:	  connect(3, 0x1, 16) = 0`:                            `Detail Any 1234/0 "  connect(3, 0x1, 16) = 0"`,
		`  connect(3, 0x1, 16) = 0`:                                  `Detail Any "  connect(3, 0x1, 16) = 0"`,
		`  *** process killed ***`:                                   `Detail Any "  *** process killed ***"`,
		`1234:	      siginfo: SIGCLD CLD_EXITED pid=7 status=0x0000`: `Detail Any 1234/0 "      siginfo: SIGCLD CLD_EXITED pid=7 status=0x0000"`,
		`2335/2:		   G E T   /\n`:                                    `Detail Solaris 2335/2 "   G E T   /\\n"`,
		`1234:	        `:                                             `Detail Any 1234/0 "        "`,
		`    Received signal #14, SIGALRM [caught]`:                  `Signal Any "Received signal #14, SIGALRM [caught]" name=SIGALRM code=14 killed=false core=false thread=false`,
		`^C    Received signal #2, SIGINT, in door_call() [default]`: `Signal Any "Received signal #2, SIGINT, in door_call() [default]" name=SIGINT code=2 killed=false core=false thread=false`,
		`55509328:     Received signal #13, SIGPIPE [default]`:       `Signal Any 55509328/0 "Received signal #13, SIGPIPE [default]" name=SIGPIPE code=13 killed=false core=false thread=false`,
		`1/2:		    Stopped by signal #24, SIGTSTP, in read()`:        `Signal Solaris 1/2 "Stopped by signal #24, SIGTSTP, in read()" name=SIGTSTP code=24 killed=false core=false thread=false`,
		`    Continued with signal #25, SIGCONT [default]`:           `Signal Any "Continued with signal #25, SIGCONT [default]" name=SIGCONT code=25 killed=false core=false thread=false`,
		` 4711: SIGNAL 14 (SIGALRM) code=SI_USER pid=1 uid=0`:        `Signal FreeBSD 4711/0 "SIGNAL 14 (SIGALRM) code=SI_USER pid=1 uid=0" name=SIGALRM code=14 killed=false core=false thread=false`,
		`SIGNAL 14`:                                                          `Signal FreeBSD "SIGNAL 14" name= code=14 killed=false core=false thread=false`,
		`1234:		*** process killed ***`:                                      `Exit Any 1234/0 "*** process killed ***" name= code=0 killed=true core=false thread=false`,
		`	*** process killed ***`:                                            `Detail Any "\t*** process killed ***"`,
		`55509328: *** process killed ***`:                                   `Exit Any 55509328/0 "*** process killed ***" name= code=0 killed=true core=false thread=false`,
		`process exit, rval = 0`:                                             `Exit FreeBSD "process exit, rval = 0"`,
		` 4711: process exit, rval = 7`:                                      `Exit FreeBSD 4711/0 "process exit, rval = 7" name= code=7 killed=false core=false thread=false`,
		`process killed, signal = 9 (core dumped)`:                           `Exit FreeBSD "process killed, signal = 9 (core dumped)" name= code=9 killed=true core=true thread=false`,
		`<thread 100567 exited>`:                                             `Exit FreeBSD 0/100567 "<thread 100567 exited>" name= code=0 killed=false core=false thread=true`,
		`<new thread 100567>`:                                                `Note FreeBSD "<new thread 100567>"`,
		`-- UNKNOWN SYSCALL 123 --`:                                          `Note FreeBSD "-- UNKNOWN SYSCALL 123 --"`,
		`-- UNKNOWN FreeBSD SYSCALL 123 --`:                                  `Note FreeBSD "-- UNKNOWN FreeBSD SYSCALL 123 --"`,
		`1234:		*** cannot trace across exec() of /bin/su ***`:               `Note Any 1234/0 "*** cannot trace across exec() of /bin/su ***"`,
		`    Incurred fault #6, FLTBOUNDS  %pc = 0x00010A4C`:                 `Note Any "Incurred fault #6, FLTBOUNDS  %pc = 0x00010A4C"`,
		`1234:	psargs: /usr/sbin/nscd`:                                       `Note Any 1234/0 "psargs: /usr/sbin/nscd"`,
		`Base time stamp:  1238054490.902  [ Thu Mar 26 08:01:30 GMT 2009 ]`: `Base Solaris time=1238054490902000000 "Base time stamp:  1238054490.902  [ Thu Mar 26 08:01:30 GMT 2009 ]"`,
		`Thu Mar 26 08:01:30 2009`:                                           `Base AIX time=1238054490000000000 "Thu Mar 26 08:01:30 2009"`,
		`Thu Jan  1 00:00:00 UTC 1970`:                                       `Base AIX time=0 "Thu Jan  1 00:00:00 UTC 1970"`,
		`Tue Feb 29 23:59:59 2000`:                                           `Base AIX time=951868799000000000 "Tue Feb 29 23:59:59 2000"`,
		`/1@1:	-> libc:malloc(0x10, 0x0)`:                                    `Func Solaris 0/1 "-> libc:malloc(0x10, 0x0)" name=libc:malloc code=0 killed=false core=false thread=false`,
		`/1@1:	  -> libc:malloc(0x10)`:                                       `Detail Solaris 0/1 "  -> libc:malloc(0x10)"`,
		`/1@1:	    -> libc:malloc(0x10)`:                                     `Func Solaris 0/1 "-> libc:malloc(0x10)" name=libc:malloc code=0 killed=false core=false thread=false`,
		`/1@1:	<- libc:malloc() = 0x8061a20`:                                 `Func Solaris 0/1 "<- libc:malloc() = 0x8061a20" name=libc:malloc code=0 killed=false core=false thread=false`,
		`/1@1:	<- libc:div() = struct return`:                                `Func Solaris 0/1 "<- libc:div() = struct return" name=libc:div code=0 killed=false core=false thread=false`,
		`12: 34: ->libc.a:fopen(0x1, 0x2)`:                                   `Func AIX 12/34 "->libc.a:fopen(0x1, 0x2)" name=libc.a:fopen code=0 killed=false core=false thread=false`,
		`...`:                                                                `Gap Any "..."`,
		`....`:                                                               `Gap Any "...."`,
	} {
		if got := show(mustParse(t, in)); got != want {
			t.Errorf("%q:\n got %s\nwant %s", in, got, want)
		}
	}
}

func TestUnknown(t *testing.T) {
	for _, in := range []string{
		"", " ", "\t", "hello", "hello world", "..", "1234:", "1234: ", "1234:close(3) = 0", "f(", "f(1", "f(1) = 1 2", "f(1)) = x y", "foo (1) = 2", "1f(2) = 3",
		"f(1)x", "f(1)) (2)", "f(1) = ?", "f(1) = -1 ENOENT (No such file or directory)", "f(1) = 0 (Timeout)", "f(1) = 3 (0x4)z", "= 3", ") = 3",
		"4294967296: hello", "f(1) Err#x ENOENT", "f(1) Err#2 ENOENT x", "f(1) ERR#2 'x", "Base time stamp:  x", "Thu Xxx 26 08:01:30 2009", "Thu Mar 99 08:01:30 2009",
		"syscall               seconds   calls  errors", "_exit                    .00       1", "open(\"/a\\0\", 0x2, 0x7FFF)\t\t = 3 0", "f(1)\t\t = -1 Err#2",
		"close(3) = 0\nx\n y()\nz = 1 2\n"[:12] + " 1", "hello\nclose(3)\t= 0", "...\nx",
	} {
		var l Line
		if err := Parse([]byte(in), &l); err != ErrUnknown || l.Kind != Unknown || string(l.Text) != in {
			t.Errorf("%q: %v %s", in, err, show(&l))
		}
		if got := string(Append(nil, &l)); got != in {
			t.Errorf("%q printed again: %q", in, got)
		}
	}
	var l Line
	if err := Parse(bytes.Repeat([]byte("a"), MaxLine+1), &l); err != ErrTooLong {
		t.Error(err)
	}
}

// TestDetails checks that a call with Details is parsed again.
func TestDetails(t *testing.T) {
	l := mustParse(t, "connect(4, 0x1, 16, SOV_DEFAULT)\t= 0\n\tAF_INET  name = 10.0.0.1  port = 80\n\tAF_INET  name = 10.0.0.2  port = 81")
	if l.Kind != Call || l.Addr.String() != "10.0.0.1:80" || string(l.Details) != "\tAF_INET  name = 10.0.0.1  port = 80\n\tAF_INET  name = 10.0.0.2  port = 81" {
		t.Error(show(l))
	}
	l = mustParse(t, "close(4)\t= 0\n")
	if l.Details == nil || len(l.Details) != 0 || l.Ret != 0 || !l.HasValue {
		t.Error(show(l))
	}
}

func TestManyArgs(t *testing.T) {
	l := mustParse(t, "f("+strings.Repeat("1, ", 200)+"2)\t= 0")
	if args := l.Args(); len(args) != MaxArgs || !strings.HasSuffix(string(args[MaxArgs-1]), "1, 2") {
		t.Errorf("%d arguments", len(args))
	}
}

// TestHostile checks that no line takes quadratic time.
func TestHostile(t *testing.T) {
	var l Line
	pieces := []string{"\"", " \"", "\" ", "\\\"", "(", ")", "{ ", " }", ",", ", ", "Err#", "ERR#2 '", " = ", "= 3 (0x3)", "(sleeping...)", "(returning as ", " ...)", " ",
		"\t", ".", "0.1 ", "0.1: ", "1: ", "argc = 1", "\" a", "{ AF_INET ", "{ AF_UNIX \"", "\n", "\n\tAF_INET  name = ", "-> ", "A", "\\0"}
	for _, s := range pieces {
		for _, before := range []string{"f(", "read(3,\"", "f(\"", "1: ", "  ", "-> l:f(", ""} {
			for _, after := range []string{"", ")\t= 0", ") = 3 (0x3)", ") ERR#2 'x'", ")\t(sleeping...)"} {
				in := before + strings.Repeat(s, 1<<15/len(s)) + after
				if Parse([]byte(in), &l) == nil {
					var again Line
					text := Append(nil, &l)
					if err := Parse(text, &again); err != nil || dump(&again) != dump(&l) {
						t.Errorf("%s%s...%s printed again differs: %v", before, s, after, err)
					}
				}
				Is([]byte(in))
				for _, arg := range l.Args() {
					var a Addr
					String(nil, arg)
					Sockaddr(arg, &a)
				}
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"solaris", "aix", "freebsd"} {
		b, err := os.ReadFile(filepath.Join("testdata", name+".truss"))
		if err != nil {
			f.Fatal(err)
		}
		for line := range bytes.Lines(b) {
			f.Add(bytes.TrimSuffix(line, []byte("\n")))
		}
	}
	for _, s := range []string{
		"1234/5@6:\t 0.1234\t 0.0001\t 0.0002\tread(3, \" h \"\\n8F\".., 10)\t= 5 [0x6]\n\tAF_INET  name = 1.2.3.4  port = 5\n  G ET",
		"fork()\t\t(returning as child ...)\t= 1234", "f({ AF_INET6 [::1]:5 },[ \"a\", \"b\" ],) = -1 (0xffffffff)", "  \\0\\0 a", "<- l:f() = struct return",
		"f(a,b, c , ,\"\"\") ERR#-2 'x'", "write(1,\"a\",\"b\",1) = 3 (0x3)\",26) = 26 (0x1a)", "lwp_create()\t(returning as new lwp ...\t)= 0", "Thu Mar 26 08:01:30 CET 2009",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var l, again, third Line
		err := Parse(line, &l)
		text := Append(nil, &l)
		if again := Parse(text, &again); again != err {
			t.Fatalf("%q printed again: %q: %v, was %v", line, text, again, err)
		}
		if dump(&again) != dump(&l) {
			t.Fatalf("%q printed again: %q\n%s\n%s", line, text, dump(&l), dump(&again))
		}
		if twice := Append(nil, &again); !bytes.Equal(twice, text) || Parse(twice, &third) != err || dump(&third) != dump(&again) {
			t.Fatalf("%q printed again: %q, and again: %q", line, text, twice)
		}
		if Is(line) && l.Kind == Unknown {
			t.Fatalf("%q is truss's, and unknown", line)
		}
		var a Addr
		for _, arg := range append(l.Args(), l.RetText, l.Text, l.Details, line) {
			before := []byte("x")
			if out, _, ok := String(before, arg); !ok && len(out) != 1 || len(out) > len(arg)+1 {
				t.Fatalf("%q: String gives %q, %t", arg, out, ok)
			}
			StringOf(nil, arg, FreeBSD)
			if out, ok := Data(before, arg); !ok && len(out) != 1 || len(out) > len(arg)+1 {
				t.Fatalf("%q: Data gives %q, %t", arg, out, ok)
			}
			Sockaddr(arg, &a)
			FD(arg)
			Int(arg)
		}
		// No line between two others is lost.
		var j Joiner
		given := 0
		emit := func(*Line) { given++ }
		for _, s := range []string{"read(3, 0x1, 4)\t(sleeping...)", "close(3)\t= 0"} {
			given = 0
			Parse([]byte(s), &again)
			j.Add(&again, emit)
			Parse(line, &l)
			j.Add(&l, emit)
			j.Flush(emit)
			want := 2
			if l.Kind == Detail && l.PID == 0 && l.LWP == 0 {
				want = 1
			} else if l.Kind == Call && l.PID == 0 && l.Flavor != FreeBSD && s[0] == 'r' && string(l.Name) == "read" && l.nargs > 0 && string(l.args[0]) == "3" {
				want = 1
			}
			if given != want {
				t.Fatalf("%q: %d lines, want %d", line, given, want)
			}
		}
	})
}

// sample returns lines of all flavors.
func sample(t testing.TB) []byte {
	var all []byte
	for _, name := range []string{"solaris", "aix", "freebsd"} {
		b, err := os.ReadFile(filepath.Join("testdata", name+".truss"))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}

func BenchmarkParse(b *testing.B) {
	all := sample(b)
	lines := bytes.Split(bytes.TrimSuffix(all, []byte("\n")), []byte("\n"))
	b.SetBytes(int64(len(all)))
	b.ReportAllocs()
	var l Line
	for b.Loop() {
		for _, line := range lines {
			if Parse(line, &l) != nil {
				b.Fatalf("%s", line)
			}
		}
	}
}

func BenchmarkJoin(b *testing.B) {
	all := sample(b)
	lines := bytes.Split(bytes.TrimSuffix(all, []byte("\n")), []byte("\n"))
	b.SetBytes(int64(len(all)))
	b.ReportAllocs()
	var l Line
	var j Joiner
	given := 0
	emit := func(*Line) { given++ }
	for b.Loop() {
		for _, line := range lines {
			Parse(line, &l)
			j.Add(&l, emit)
		}
	}
	if given == 0 {
		b.Fatal("nothing given on")
	}
}

func BenchmarkIs(b *testing.B) {
	all := sample(b)
	lines := bytes.Split(bytes.TrimSuffix(all, []byte("\n")), []byte("\n"))
	b.SetBytes(int64(len(all)))
	n := 0
	for b.Loop() {
		for _, line := range lines {
			if Is(line) {
				n++
			}
		}
	}
}
