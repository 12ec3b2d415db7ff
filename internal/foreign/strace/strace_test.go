package strace

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

func mustParse(t *testing.T, line string) *Line {
	t.Helper()
	l := new(Line)
	if err := Parse([]byte(line), l); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	if got := string(Append(nil, l)); got != line {
		t.Errorf("printed again: %q\n          was: %q", got, line)
	}
	return l
}

func TestLeader(t *testing.T) {
	for _, c := range []struct {
		in         string
		pid        uint32
		comm       string
		clock      Clock
		time       int64
		delta      int64 // -1: none
		nr         int64
		ip         uint64
		contextual string
	}{
		{in: "", delta: -1, nr: -1},
		{in: "[pid 123] ", pid: 123, delta: -1, nr: -1},
		{in: "[pid     7] ", pid: 7, delta: -1, nr: -1},
		{in: "[pid 123<a b]>] ", pid: 123, comm: "a b]", delta: -1, nr: -1},
		{in: "[pid 123 (a b)] ", pid: 123, comm: "a b", delta: -1, nr: -1},
		{in: "123   ", pid: 123, delta: -1, nr: -1},
		{in: "4194303 ", pid: 4194303, delta: -1, nr: -1},
		{in: "123<sh> ", pid: 123, comm: "sh", delta: -1, nr: -1},
		{in: "08:01:30 ", clock: Day, time: 28890e9, delta: -1, nr: -1},
		{in: "08:01:30.123456 ", clock: Day, time: 28890123456000, delta: -1, nr: -1},
		{in: "08:01:30.123456789 ", clock: Day, time: 28890123456789, delta: -1, nr: -1},
		{in: "1238054490.123456 ", clock: Unix, time: 1238054490123456000, delta: -1, nr: -1},
		{in: "1238054490 ", clock: Unix, time: 1238054490e9, delta: -1, nr: -1},
		{in: "123   1238054490.123 ", pid: 123, clock: Unix, time: 1238054490123e6, delta: -1, nr: -1},
		{in: "     0.000123 ", delta: 123000, nr: -1},
		{in: "     2 ", delta: 2e9, nr: -1},
		{in: "123        0.000123 ", pid: 123, delta: 123000, nr: -1},
		{in: "[pid 123]      0.000123 ", pid: 123, delta: 123000, nr: -1},
		{in: "1238054490.123456 (+     0.000123) ", clock: Unix, time: 1238054490123456000, delta: 123000, nr: -1},
		{in: "08:01:30 (+     1) ", clock: Day, time: 28890e9, delta: 1e9, nr: -1},
		{in: "[  42] ", delta: -1, nr: 42},
		{in: "[???] ", delta: -1, nr: -1},
		{in: "[00007f1d666f0a20] ", delta: -1, nr: -1, ip: 0x7f1d666f0a20},
		{in: "[    7f1d666f0a20] ", delta: -1, nr: -1, ip: 0x7f1d666f0a20},
		{in: "[  11] [7efd26af7b70] ", delta: -1, nr: 11, ip: 0x7efd26af7b70},
		{in: "[7efd26af7b70] ", delta: -1, nr: -1, ip: 0x7efd26af7b70},
		{in: "[1073742337] ", delta: -1, nr: 1073742337},
		{in: "[f7f12345] ", delta: -1, nr: -1, ip: 0xf7f12345},
		{in: "[????????????????] ", delta: -1, nr: -1},
		{in: "[pid  123<x>] [u_u:r_r:t_t:s0-s0:c0.c1023] 08:01:30.5 (+     0.000123) [  42] [00007f1d666f0a20] ", pid: 123, comm: "x",
			contextual: "u_u:r_r:t_t:s0-s0:c0.c1023", clock: Day, time: 288905e8, delta: 123000, nr: 42, ip: 0x7f1d666f0a20},
	} {
		for _, rest := range []string{"close(3) = 0", "+++ exited with 1 +++", "<... read resumed>) = 0", "read(3,  <unfinished ...>"} {
			l := mustParse(t, c.in+rest)
			delta := l.Delta.NS
			if l.Delta.Clock == NoClock {
				delta = -1
			}
			if l.PID != c.pid || string(l.Comm) != c.comm || l.Time.Clock != c.clock || l.Time.NS != c.time ||
				delta != c.delta || l.Nr != c.nr || l.IP != c.ip || string(l.Context) != c.contextual {
				t.Errorf("%q: %s", c.in+rest, dump(l))
			}
		}
	}
}

func TestCall(t *testing.T) {
	type want struct {
		name   string
		args   string // joined by " ; "
		ret    string
		value  int64
		errno  string
		text   string
		notes  string
		dur    int64
		markIs string
	}
	for in, w := range map[string]want{
		`close(3)                                = 0`: {"close", "3", "0", 0, "", "", "", 0, ""},
		`getpid() = 12830<sh>`:                        {"getpid", "", "12830<sh>", 12830, "", "", "", 0, ""},
		`exit_group(0)                           = ?`: {"exit_group", "0", "?", 0, "", "", "", 0, ""},
		`connect(12, {sa_family=AF_INET, sin_port=htons(5222), sin_addr=inet_addr("1.2.3.4")}, 16) = -1 EINPROGRESS (Operation now in progress) <0.000123>`: {"connect", `12 ; {sa_family=AF_INET, sin_port=htons(5222), sin_addr=inet_addr("1.2.3.4")} ; 16`, "-1", -1, "EINPROGRESS", "Operation now in progress", "", 123000, ""},
		`write(3<TCP:[127.0.0.1:1->127.0.0.1:2]>, " = 3 <unfinished ...>\"), (\\", 9) = 9`:                                                                  {"write", `3<TCP:[127.0.0.1:1->127.0.0.1:2]> ; " = 3 <unfinished ...>\"), (\\" ; 9`, "9", 9, "", "", "", 0, ""},
		`read(3</a/b, c(>, "", 4) = 0`:                                                                               {"read", `3</a/b, c(> ; "" ; 4`, "0", 0, "", "", "", 0, ""},
		`read(3</a->, "", 4) = 0`:                                                                                    {"read", `3</a-> ; "" ; 4`, "0", 0, "", "", "", 0, ""},
		`read(3</dev/pts/1<char 136:1>>, 0x7, 4) = ?`:                                                                {"read", `3</dev/pts/1<char 136:1>> ; 0x7 ; 4`, "?", 0, "", "", "", 0, ""},
		`sendto(3<UNIX-STREAM:[1->2,@"a]>, \" b"]>, "x", 1, 0, NULL, 0) = 1`:                                         {"sendto", `3<UNIX-STREAM:[1->2,@"a]>, \" b"]> ; "x" ; 1 ; 0 ; NULL ; 0`, "1", 1, "", "", "", 0, ""},
		`openat(AT_FDCWD</root>, "x", O_RDONLY) = 3</tmp/a b>(deleted)`:                                              {"openat", `AT_FDCWD</root> ; "x" ; O_RDONLY`, "3</tmp/a b>(deleted)", 3, "", "", "", 0, ""},
		`capset({version=1, pid=0}, {effective=1<<CAP_CHOWN|1<<CAP_KILL, permitted=0}) = 0`:                          {"capset", `{version=1, pid=0} ; {effective=1<<CAP_CHOWN|1<<CAP_KILL, permitted=0}`, "0", 0, "", "", "", 0, ""},
		`accept(3, {sa_family=AF_INET6}, [28 => 16]) = 5<socket:[9]> (INJECTED)`:                                     {"accept", `3 ; {sa_family=AF_INET6} ; [28 => 16]`, "5<socket:[9]>", 5, "", "", "(INJECTED)", 0, ""},
		`execve("a", ["a"], 0x7ffe /* 35 vars, ) = "x*/" */) = 0`:                                                    {"execve", `"a" ; ["a"] ; 0x7ffe /* 35 vars, ) = "x*/" */`, "0", 0, "", "", "", 0, ""},
		`wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL) = 12 <1>`:                                       {"wait4", `-1 ; [{WIFEXITED(s) && WEXITSTATUS(s) == 0}] ; 0 ; NULL`, "12", 12, "", "", "", 1e9, ""},
		`pause() = ? ERESTARTNOHAND (To be restarted if no handler)`:                                                 {"pause", "", "?", 0, "ERESTARTNOHAND", "To be restarted if no handler", "", 0, ""},
		`read(0, 0x1, 2) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)`:                                     {"read", "0 ; 0x1 ; 2", "?", 0, "ERESTARTSYS", "To be restarted if SA_RESTART is set", "", 0, ""},
		`poll([{fd=3, events=POLLIN}], 1, -1) = 1 ([{fd=3</a (>, revents=POLLIN}], left {tv_sec=1}) (DELAYED) <0.1>`: {"poll", `[{fd=3, events=POLLIN}] ; 1 ; -1`, "1", 1, "", "", "([{fd=3</a (>, revents=POLLIN}], left {tv_sec=1}) ; (DELAYED)", 1e8, ""},
		`fcntl(3, F_GETFL) = 0x8002 (flags O_RDWR|O_LARGEFILE)`:                                                      {"fcntl", "3 ; F_GETFL", "0x8002", 0x8002, "", "", "(flags O_RDWR|O_LARGEFILE)", 0, ""},
		`umask(000) = 022`: {"umask", "000", "022", 18, "", "", "", 0, ""},
		`select(4, [3], NULL, NULL, NULL) = 0 (Timeout)`:                         {"select", "4 ; [3] ; NULL ; NULL ; NULL", "0", 0, "", "", "(Timeout)", 0, ""},
		`foo(1) = -1 (errno 999)`:                                                {"foo", "1", "-1", -1, "", "", "(errno 999)", 0, ""},
		`????( <unavailable>) = ? <unavailable>`:                                 {"????", "", "?", 0, "", "", "<unavailable>", 0, "<unavailable>"},
		`read(0,  <unfinished ...>) = ?`:                                         {"read", "0 ; ", "?", 0, "", "", "", 0, "<unfinished ...>"},
		`restart_syscall(<... resuming interrupted read ...>) = 0`:               {"restart_syscall", "<... resuming interrupted read ...>", "0", 0, "", "", "", 0, ""},
		`mmap(NULL, 4096) = 0xffffffffffffffff`:                                  {"mmap", "NULL ; 4096", "0xffffffffffffffff", -1, "", "", "", 0, ""},
		`lseek(3, 0) = 18446744073709551615`:                                     {"lseek", "3 ; 0", "18446744073709551615", -1, "", "", "", 0, ""},
		`fork() = 12 /* 13 in strace's PID NS */`:                                {"fork", "", "12", 12, "", "", "/* 13 in strace's PID NS */", 0, ""},
		`send(12, "<stream:stream token=\"fake-token"..., 207, 0) = 207`:         {"send", `12 ; "<stream:stream token=\"fake-token"... ; 207 ; 0`, "207", 207, "", "", "", 0, ""},
		`socket(PF_INET, SOCK_STREAM, IPPROTO_IP) = 12`:                          {"socket", "PF_INET ; SOCK_STREAM ; IPPROTO_IP", "12", 12, "", "", "", 0, ""},
		"close(3) = 0 \r":                                                        {"close", "3", "0", 0, "", "", "", 0, ""},
		`read(fd=3, buf="a, b", count=4) = 4`:                                    {"read", `fd=3 ; buf="a, b" ; count=4`, "4", 4, "", "", "", 0, ""},
		`write(3, "x", 1) = -1 EPIPE (Broken pipe) (INJECTED: args, retval) (x)`: {"write", `3 ; "x" ; 1`, "-1", -1, "EPIPE", "Broken pipe", "(INJECTED: args, retval) ; (x)", 0, ""},
	} {
		l := mustParse(t, in)
		got := want{string(l.Name), string(bytes.Join(l.Args(), []byte(" ; "))), string(l.RetText), l.Ret, string(l.Errno),
			string(l.ErrText), string(bytes.Join(l.Notes(), []byte(" ; "))), l.Dur.NS, string(l.Mark)}
		if l.Kind != Call || got != w || l.HasValue != (w.ret != "?") || !l.HasResult ||
			l.Injected != strings.Contains(in, "(INJ") || l.Delayed != strings.Contains(in, "(DEL") {
			t.Errorf("%s:\n got %+v\nwant %+v", in, got, w)
		}
	}
}

func TestKinds(t *testing.T) {
	for in, w := range map[string]struct {
		kind             Kind
		name, text, mark string
		code             uint32
	}{
		`recvfrom(3,  <unfinished ...>`:                          {Unfinished, "recvfrom", "", "<unfinished ...>", 0},
		`recvfrom(3, <unfinished ...>`:                           {Unfinished, "recvfrom", "", "<unfinished ...>", 0},
		`accept(3, {sa_family=AF_INET, [28 <unfinished ...>`:     {Unfinished, "accept", "", "<unfinished ...>", 0},
		`read(0,  <detached ...>`:                                {Unfinished, "read", "", "<detached ...>", 0},
		`execve("x", [], [] <pid changed to 12 ...>`:             {Unfinished, "execve", "", "<pid changed to 12 ...>", 0},
		`exit(1 <unfinished ... exit status 1>`:                  {Unfinished, "exit", "", "<unfinished ... exit status 1>", 0},
		`<... recvfrom resumed>"a) = 1", 4) = 4`:                 {Resumed, "recvfrom", "", "", 0},
		`<... recvfrom resumed> "a) = 1", 4) = 4`:                {Resumed, "recvfrom", "", "", 0},
		`<... accept resumed> => 16]) = 5`:                       {Resumed, "accept", "", "", 0},
		`<... exit_group resumed> = ?`:                           {Resumed, "exit_group", "", "", 0},
		`<... futex resumed> )       = 0`:                        {Resumed, "futex", "", "", 0},
		`<... read resumed> <unfinished ...>) = ?`:               {Resumed, "read", "", "<unfinished ...>", 0},
		`<... vfork resumed> <unfinished ...>`:                   {Resumed, "vfork", "", "<unfinished ...>", 0},
		`clone(flags=SIGCHLDstrace: Process 12761 attached`:      {Broken, "clone", "", "strace: Process 12761 attached", 0},
		`clone(flags=SIGCHLD/usr/bin/strace: Process 1 attached`: {Broken, "clone", "", "/usr/bin/strace: Process 1 attached", 0},
		`clone(Process 4711 attached`:                            {Broken, "clone", "", "Process 4711 attached", 0},
		`write(1, "hello\n", 6hello`:                             {Broken, "write", "", "", 0},
		`, child_tidptr=0x7f9278c86a10) = 12761`:                 {Rest, "", "", "", 0},
		` <unfinished ...>`:                                      {Rest, "", "", "<unfinished ...>", 0},
		` <detached ...>`:                                        {Rest, "", "", "<detached ...>", 0},
		`) = 32`:                                                 {Rest, "", "", "", 0},
		`--- SIGCHLD {si_signo=SIGCHLD, si_pid=1} ---`:           {Signal, "SIGCHLD", "{si_signo=SIGCHLD, si_pid=1}", "", 0},
		`--- SIGCHLD (Child exited) @ 0 (0) ---`:                 {Signal, "SIGCHLD", "(Child exited) @ 0 (0)", "", 0},
		`--- stopped by SIGSTOP ---`:                             {Signal, "SIGSTOP", "", "", 0},
		`+++ exited with 255 +++`:                                {Exit, "", "255", "", 255},
		`+++ killed by SIGKILL +++`:                              {Killed, "SIGKILL", "", "", 0},
		`+++ killed by SIGSEGV (core dumped) +++`:                {Killed, "SIGSEGV", "", "", 0},
		`+++ superseded by execve in pid 12 +++`:                 {Superseded, "", "12", "", 12},
		`strace: Process 9744 attached`:                          {Note, "", "strace: Process 9744 attached", "", 0},
		`/usr/bin/strace: Process 9744 attached`:                 {Note, "", "/usr/bin/strace: Process 9744 attached", "", 0},
		`Process 9744 attached - interrupt to quit`:              {Note, "", "Process 9744 attached - interrupt to quit", "", 0},
		`[ Process PID=9744 runs in 32 bit mode. ]`:              {Note, "", "[ Process PID=9744 runs in 32 bit mode. ]", "", 0},
		`strace: [ Process PID=1 runs in x32 mode. ]`:            {Note, "", "strace: [ Process PID=1 runs in x32 mode. ]", "", 0},
		`Process 9744 detached`:                                  {Note, "", "Process 9744 detached", "", 0},
		`strace: exec: Permission denied`:                        {Note, "", "strace: exec: Permission denied", "", 0},
		`[pid 7] [ Process PID=7 runs in 64 bit mode. ]`:         {Note, "", "[ Process PID=7 runs in 64 bit mode. ]", "", 0},
		`...`: {Gap, "", "...", "", 0},
		` > /usr/lib/libc.so.6(__write+0x14) [0x10e1a4]`:            {Stack, "", " > /usr/lib/libc.so.6(__write+0x14) [0x10e1a4]", "", 0},
		` | 00000  68 65                                 he      |`: {Dump, "", " | 00000  68 65                                 he      |", "", 0},
		` * 5 bytes in buffer 1`:                                    {Dump, "", " * 5 bytes in buffer 1", "", 0},
		` = 2 buffers in vector 0`:                                  {Dump, "", " = 2 buffers in vector 0", "", 0},
	} {
		l := mustParse(t, in)
		if l.Kind != w.kind || string(l.Name) != w.name || string(l.Text) != w.text || string(l.Mark) != w.mark || l.Code != w.code ||
			l.Core != strings.Contains(in, "core") || l.Stopped != strings.Contains(in, "stopped") {
			t.Errorf("%s: %s %s", in, l.Kind, dump(l))
		}
	}
}

func TestUnknown(t *testing.T) {
	for _, in := range []string{
		"", " ", "hello", "hello world", "= 3", `read(3, "abc`, "+++ exited with x +++", "--- SIG X", "....",
		"<... read resumed>", "<... read>", "12 34 56", "% time     seconds  usecs/call     calls    errors syscall",
		"[pid x] close(3) = 0", "25:00:00 close(3) = 0", "close(3]) = 0", "close(3) == 0",
	} {
		var l Line
		err := Parse([]byte(in), &l)
		if err != ErrUnknown || l.Kind != Unknown || strings.TrimSpace(string(l.Text)) != strings.TrimSpace(in) {
			t.Errorf("%q: %v %s", in, err, dump(&l))
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

func TestManyArgs(t *testing.T) {
	in := "f(" + strings.Repeat("1, ", 200) + "2) = 0 (a) (b) (c) (d) (e)"
	l := mustParse(t, in)
	if args := l.Args(); len(args) != MaxArgs || !strings.HasSuffix(string(args[MaxArgs-1]), "1, 2") {
		t.Errorf("%d arguments", len(args))
	}
	if notes := l.Notes(); len(notes) != MaxNotes || string(notes[MaxNotes-1]) != "(d) (e)" {
		t.Errorf("%q", notes)
	}
}

// TestTranscript parses the output of an old strace with omitted lines.
func TestTranscript(t *testing.T) {
	b, err := os.ReadFile("../../../testdata/emulator/emulator.strace")
	if err != nil {
		t.Fatal(err)
	}
	var n count
	roundTrip(t, b, &n)
	if n[Call] != 20 || n[Note] != 3 || n[Gap] != 2 {
		t.Error(n)
	}
}

// TestHostile checks that no line takes quadratic time.
func TestHostile(t *testing.T) {
	var l Line
	for _, s := range []string{"<", "/*", "(", ")", "<:[\"", "/*\"", "<a:[", "strace: ", "\\\"", "), ", ") ", "<unfinished ...", "{<", "[pid ", "(E", "\"a\", ", "Process ", "P/strace:"} {
		for _, before := range []string{"f(", "f(1) = ", "f(1) = 1 (", "<... f resumed>", "", "1 "} {
			in := before + strings.Repeat(s, 1<<20/len(s))
			Parse([]byte(in), &l)
			if got := Append(nil, &l); string(got) != in {
				t.Errorf("%s%s... printed again differs", before, s)
			}
			for e := In([]byte("[" + in + "]")); ; {
				if _, ok := e.Next(); !ok {
					break
				}
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	b, err := os.ReadFile("../../../testdata/emulator/emulator.strace")
	if err != nil {
		f.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		f.Add(bytes.TrimSuffix(line, []byte("\n")))
	}
	for _, s := range []string{
		`[pid  123<a>] 08:01:30.5 (+     0.1) [  42] [00007f1d666f0a20] read(3<TCP:[1.2.3.4:5->6.7.8.9:10]>, "a"..., [2 => 3], {a=/* x */ 1<<2}) = -1 EINTR (x) (y) <0.1>`,
		`1     0.1 <... accept resumed> => 16]) = 5`, `clone(flags=SIGCHLDstrace: Process 1 attached`, ` <unfinished ...>`,
		`connect(3, {sa_family=AF_INET6, sin6_port=htons(53), inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=0}, 28 <unfinished ...>`,
		`read(3, "a"..., 2) = -1 EINTR (0]`, `--- SIGCHLD {si_signo=SIGCHLD} ---`, `+++ killed by SIGKILL (core dumped) +++`, ` | 00000  68 65                                 he      |`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var l, again Line
		err := Parse(line, &l)
		b := Append(nil, &l)
		if !bytes.Equal(b, line) {
			t.Fatalf("%q printed again: %q\n%s", line, b, dump(&l))
		}
		if Parse(b, &again) != err || dump(&again) != dump(&l) {
			t.Fatalf("%q parsed again:\n%s\n%s", line, dump(&l), dump(&again))
		}
		var a Addr
		var d Desc
		for _, arg := range append(l.Args(), l.RetText, line) {
			String(nil, arg)
			Sockaddr(nil, arg, &a)
			FD(arg, &d)
			Int(arg)
			Field(arg, "msg_name")
		}
		DumpData(nil, line)
		var j Joiner
		n := 0
		emit := func(*Line) { n++ }
		for _, s := range []string{"read(3,  <unfinished ...>", "f(1, strace: Process 1 attached"} {
			n = 0
			Parse([]byte(s), &again)
			j.Add(&again, emit)
			j.Add(&l, emit)
			j.Flush(emit)
			if n != 1 && n != 2 {
				t.Fatalf("%q: %d lines", line, n)
			}
		}
	})
}

var sample = strings.Join([]string{
	`08:01:30.123456 recvfrom(12<TCP:[10.0.0.1:40181->124.65.150.30:5222]>, "<stream:features><starttls xmlns"..., 8578, 0, NULL, NULL) = 136 <0.000012>`,
	`[pid 12761] 08:01:30.123456 sendto(11, "WRTE\1\0\0\0\36\2\0\0t\0\0\0B%\0\0\250\255\253\27203-26 08"..., 140, MSG_NOSIGNAL, NULL, 0) = 140`,
	`[pid 12761] 08:01:30.123456 connect(12, {sa_family=AF_INET, sin_port=htons(5222), sin_addr=inet_addr("124.65.150.30")}, 16) = -1 EINPROGRESS (Operation now in progress)`,
	`[pid 12761] 08:01:30.123456 epoll_wait(4,  <unfinished ...>`,
	`[pid 12762] 08:01:30.123456 <... epoll_wait resumed>[{events=EPOLLIN, data={u32=1, u64=1}}], 64, 1000) = 1`,
	`[pid 12762] 08:01:30.123456 close(3)     = 0`,
	`12761 1238054490.123456 read(3, "GET / HTTP/1.1\r\nHost: example.org"..., 4096) = 78 <0.000031>`,
	`[pid 12761] 08:01:30.123456 --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=12761, si_uid=0, si_status=0, si_utime=0, si_stime=0} ---`,
	`mmap(0x7f36b2fbc000, 1400832, PROT_READ|PROT_EXEC, MAP_PRIVATE|MAP_FIXED|MAP_DENYWRITE, 3, 0x26000) = 0x7f36b2fbc000`,
	`poll([{fd=3, events=POLLIN}, {fd=4, events=POLLIN}], 2, 1000) = 1 ([{fd=3, revents=POLLIN}])`,
	`openat(AT_FDCWD, "/lib/x86_64-linux-gnu/libc.so.6", O_RDONLY|O_CLOEXEC) = 3`,
}, "\n")

func BenchmarkParse(b *testing.B) {
	lines := bytes.Split([]byte(sample), []byte("\n"))
	b.SetBytes(int64(len(sample)) + 1)
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
	lines := bytes.Split([]byte("[pid 1] epoll_wait(4,  <unfinished ...>\n[pid 1] <... epoll_wait resumed>[{events=EPOLLIN, data={u32=1, u64=1}}], 64, 1000) = 1"), []byte("\n"))
	b.ReportAllocs()
	var l Line
	var j Joiner
	joined := 0
	emit := func(l *Line) { joined++ }
	for b.Loop() {
		for _, line := range lines {
			Parse(line, &l)
			j.Add(&l, emit)
		}
	}
	if joined == 0 {
		b.Fatal("nothing joined")
	}
}

func TestAllocs(t *testing.T) {
	lines := bytes.Split([]byte(sample), []byte("\n"))
	var l Line
	var a Addr
	var d Desc
	out, dst := make([]byte, 0, 4096), make([]byte, 0, 4096)
	sum := 0
	n := testing.AllocsPerRun(100, func() {
		for _, line := range lines {
			Parse(line, &l)
			out = Append(out[:0], &l)
			for _, arg := range l.Args() {
				String(dst, arg)
				Sockaddr(dst, arg, &a)
				FD(arg, &d)
				sum += int(a.AddrPort.Port() + d.Peer.Port())
			}
		}
	})
	if n != 0 || sum == 0 {
		t.Errorf("%v allocations, sum %d", n, sum)
	}
}
