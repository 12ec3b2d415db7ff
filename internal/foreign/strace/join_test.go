package strace

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// joinAll returns the lines that a Joiner emits, as printed.
func joinAll(t *testing.T, in string) []string {
	t.Helper()
	var out []string
	var j Joiner
	var l, again Line
	emit := func(l *Line) {
		s := string(Append(nil, l))
		if l.EndTime.Clock != NoClock {
			s += " ended " + string(l.EndTime.Text)
		}
		if err := Parse([]byte(s), &again); l.EndTime.Clock == NoClock && (err != nil || again.Kind != l.Kind) {
			t.Errorf("given on as %v: %s", l.Kind, s)
		}
		out = append(out, s)
	}
	for line := range strings.Lines(in) {
		line := []byte(strings.TrimSuffix(line, "\n"))
		if err := Parse(line, &l); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		j.Add(&l, emit)
		copy(line, bytes.Repeat([]byte("#"), len(line))) // the Joiner must not retain it
	}
	j.Flush(emit)
	if len(j.index) != 0 || j.bytes != 0 {
		t.Errorf("%d parts, %d bytes are left", len(j.index), j.bytes)
	}
	return out
}

func TestJoin(t *testing.T) {
	for name, c := range map[string]struct{ in, out string }{
		"usual": {`[pid 1] 08:00:00 recvfrom(3,  <unfinished ...>
[pid 2] 08:00:01 close(4) = 0
[pid 1] 08:00:02 <... recvfrom resumed>"a, b", 4, 0, NULL, NULL) = 4 <0.1>`,
			`[pid 2] 08:00:01 close(4) = 0
[pid 1] 08:00:00 recvfrom(3, "a, b", 4, 0, NULL, NULL) = 4 <0.1> ended 08:00:02`},
		"strace 4": {`1     read(3,  <unfinished ...>
1     <... read resumed> "a", 1) = 1`, `1     read(3, "a", 1) = 1`},
		"inside brackets": {`[pid 1] accept(3, {sa_family=AF_INET, sin_port=htons(1)}, [28 <unfinished ...>
[pid 1] <... accept resumed> => 16]) = 5`, `[pid 1] accept(3, {sa_family=AF_INET, sin_port=htons(1)}, [28 => 16]) = 5`},
		"inside a structure": {`[pid 1] recvmsg(3, {msg_name=NULL <unfinished ...>
[pid 1] <... recvmsg resumed>, msg_iov=[{iov_base="a", iov_len=1}]}, 0) = 1`,
			`[pid 1] recvmsg(3, {msg_name=NULL, msg_iov=[{iov_base="a", iov_len=1}]}, 0) = 1`},
		"no arguments": {`[pid 1] vfork( <unfinished ...>
[pid 1] <... vfork resumed>)        = 12772`, `[pid 1] vfork()        = 12772`},
		"message": {`clone(flags=SIGCHLDstrace: Process 2 attached
, child_tidptr=0x1) = 2
[pid 2] close(1) = 0`, `clone(flags=SIGCHLD, child_tidptr=0x1) = 2
[pid 2] close(1) = 0`},
		"message and another process": {`vfork(strace: Process 2 attached
 <unfinished ...>
[pid 2] close(1) = 0
[pid 1] <... vfork resumed>) = 2`, `[pid 2] close(1) = 0
vfork() = 2`},
		"number missing later": {`[pid 1] wait4(-1,  <unfinished ...>
[pid 2] +++ exited with 0 +++
<... wait4 resumed>NULL, 0, NULL) = 2`, `[pid 2] +++ exited with 0 +++
[pid 1] wait4(-1, NULL, 0, NULL) = 2`},
		"ambiguous": {`[pid 1] wait4(-1,  <unfinished ...>
[pid 2] wait4(-1,  <unfinished ...>
<... wait4 resumed>NULL, 0, NULL) = 2`, `<... wait4 resumed>NULL, 0, NULL) = 2
[pid 1] wait4(-1,  <unfinished ...>
[pid 2] wait4(-1,  <unfinished ...>`},
		"execve of a thread": {`[pid 1] futex(0x1, FUTEX_WAIT, 0 <unfinished ...>
[pid 2] execve("/bin/true", ["true"], [] <pid changed to 1 ...>
[pid 1] +++ superseded by execve in pid 2 +++
[pid 1] <... execve resumed>) = 0`, `[pid 1] futex(0x1, FUTEX_WAIT, 0 <unfinished ...>
[pid 1] +++ superseded by execve in pid 2 +++
[pid 2] execve("/bin/true", ["true"], []) = 0`},
		"killed": {`[pid 1] read(3,  <unfinished ...>
[pid 1] +++ killed by SIGKILL +++`, `[pid 1] read(3,  <unfinished ...>
[pid 1] +++ killed by SIGKILL +++`},
		"lost": {`[pid 1] read(3,  <unfinished ...>
[pid 1] <... write resumed>) = 1
[pid 2] <... read resumed>) = 1
[pid 3] read(3,  <unfinished ...>
[pid 3] close(3) = 0
[pid 4] read(4,  <unfinished ...>
[pid 4] read(5,  <unfinished ...>
) = 7`, `[pid 1] read(3,  <unfinished ...>
[pid 1] <... write resumed>) = 1
[pid 2] <... read resumed>) = 1
[pid 3] read(3,  <unfinished ...>
[pid 3] close(3) = 0
[pid 4] read(4,  <unfinished ...>
) = 7
[pid 4] read(5,  <unfinished ...>`},
		"never": {`[pid 1] read(3,  <unfinished ...>
[pid 1] <... read resumed> <unfinished ...>) = ?`, `[pid 1] read(3,  <unfinished ...>) = ?`},
		"exit of old":   {"1 exit_group(0 <unfinished ...>\n1 <... exit_group resumed> = ?", "1 exit_group(0) = ?"},
		"output of its": {"write(1, \"hello\\n\", 6hello\n)    = 6", "write(1, \"hello\\n\", 6hello)    = 6"},
	} {
		if got := strings.Join(joinAll(t, c.in), "\n"); got != c.out {
			t.Errorf("%s:\n%s\nwant:\n%s", name, got, c.out)
		}
	}
}

func TestJoinBounds(t *testing.T) {
	var in strings.Builder
	for i := 1; i <= MaxPending+2; i++ {
		fmt.Fprintf(&in, "[pid %d] read(3,  <unfinished ...>\n", i)
	}
	out := joinAll(t, in.String()+"[pid 1] close(1) = 0")
	if len(out) != MaxPending+3 || out[0] != "[pid 1] read(3,  <unfinished ...>" || out[2] != "[pid 1] close(1) = 0" {
		t.Errorf("%d lines, first %q", len(out), out[:3])
	}
	var j Joiner
	var l Line
	n := 0
	for i := range 20 {
		Parse([]byte(fmt.Sprintf(`[pid %d] write(3, "%s"...,  <unfinished ...>`, i+1, strings.Repeat("a", 8<<20))), &l)
		j.Add(&l, func(*Line) { n++ })
	}
	if n < 8 || j.bytes > maxPendingBytes+MaxLine {
		t.Errorf("%d given on, %d bytes held", n, j.bytes)
	}
}

// TestLiveJoin checks with the strace of this machine that no line is lost, that the parts of each
// call are joined, and that joined calls equal those in separate files for each process.
func TestLiveJoin(t *testing.T) {
	need(t, "strace")
	exe := compile(t)
	for _, flags := range []string{"-f -yy", "o -f -tt -T", "-f -ttt -i -n"} {
		var j Joiner
		var l Line
		in, out, whole, orphans := 0, 0, 0, 0
		kept := ""
		emit := func(l *Line) {
			out++
			switch l.Kind {
			case Resumed, Unfinished, Broken, Rest:
				orphans++
				kept += string(Append(nil, l)) + "\n"
			case Unknown:
				t.Errorf("%s", Append(nil, l))
			}
			if l == &j.joined {
				whole++
			}
		}
		parts := 0
		for line := range bytes.Lines(trace(t, flags, exe)) {
			in++
			Parse(bytes.TrimSuffix(line, []byte("\n")), &l)
			switch l.Kind {
			case Resumed, Unfinished, Broken, Rest:
				parts++
			}
			j.Add(&l, emit)
		}
		j.Flush(emit)
		t.Logf("%s: %d lines, %d parts, %d calls made whole, %d orphans, %d given on", flags, in, parts, whole, orphans, out)
		if whole == 0 || out > in || out < in-parts {
			t.Error("lines were lost")
		}
		// A call of a killed or superseded thread has no second part.
		if orphans > 8 {
			t.Errorf("%d orphans:\n%s", orphans, kept)
		}
	}
}
