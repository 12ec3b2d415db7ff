package truss

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestJoin(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []string
		want []string
	}{
		{"slept", []string{
			"1/2:\t 0.1000\tread(3, 0x1, 4)\t(sleeping...)",
			"1/1:\t 0.2000\tclose(5)\t= 0",
			"1/2:\t 0.3000\tread(3, \" a\", 4)\t= 1",
		}, []string{
			"Call Solaris 1/1 time=200000000 close(5) = 0",
			"Call Solaris 1/2 time=300000000 begin=100000000 read(3 ; \" a\" ; 4) = 1 data=\"a\"",
		}},
		{"details of both", []string{
			"1:\taccept(3, 0x1, 0x2, SOV_DEFAULT)\t(sleeping...)",
			"1:\taccept(3, 0x1, 0x2, SOV_DEFAULT)\t= 4",
			"1:\t\tAF_INET  name = 192.0.2.1  port = 5",
		}, []string{"Call Solaris 1/0 accept(3 ; 0x1 ; 0x2 ; SOV_DEFAULT) = 4 addr=192.0.2.1:5 | AF_INET  name = 192.0.2.1  port = 5"}},
		{"details of the first part only", []string{
			"1:\tconnect(3, 0x1, 16, SOV_DEFAULT)\t(sleeping...)",
			"1:\t\tAF_INET  name = 192.0.2.1  port = 5",
			"2:\tclose(4)\t= 0",
			"1:\tconnect(3, 0x1, 16, SOV_DEFAULT)\tErr#4 EINTR",
		}, []string{"Call Any 2/0 close(4) = 0", "Call Solaris 1/0 connect(3 ; 0x1 ; 16 ; SOV_DEFAULT) = -1 EINTR 4 \"\" addr=192.0.2.1:5 | AF_INET  name = 192.0.2.1  port = 5"}},
		{"of another thread", []string{
			"1/1:\tclose(3)\t= 0",
			"1/2:\t\t\tAF_INET  name = 192.0.2.1  port = 5",
		}, []string{"Detail Solaris 1/2 \"\\tAF_INET  name = 192.0.2.1  port = 5\" addr=192.0.2.1:5", "Call Solaris 1/1 close(3) = 0"}},
		{"of nothing", []string{"\tAF_INET  name = 192.0.2.1  port = 5"}, []string{"Detail Any \"\\tAF_INET  name = 192.0.2.1  port = 5\" addr=192.0.2.1:5"}},
		{"behind an event", []string{"close(3)\t= 0", "*** process killed ***", " argv: x"},
			[]string{"Call Any close(3) = 0", "Exit Any \"*** process killed ***\" name= code=0 killed=true core=false thread=false", "Detail Any \" argv: x\""}},
		{"thread not told later", []string{
			"1/2:\tread(3, 0x1, 4)\t(sleeping...)",
			"1:\tread(3, \" a\", 4)\t= 1",
		}, []string{"Call Any 1/2 read(3 ; \" a\" ; 4) = 1 data=\"a\""}},
		{"thread told later", []string{
			"1:\tread(3, 0x1, 4)\t(sleeping...)",
			"1/1:\tread(3, \" a\", 4)\t= 1",
		}, []string{"Call Solaris 1/1 read(3 ; \" a\" ; 4) = 1 data=\"a\""}},
		{"another process", []string{
			"1:\tread(3, 0x1, 4)\t(sleeping...)",
			"2:\tread(3, \" a\", 4)\t= 1",
		}, []string{"Call Any 2/0 read(3 ; \" a\" ; 4) = 1 data=\"a\"", "Unfinished Any 1/0 read(3 ; 0x1 ; 4)"}},
		{"another descriptor, a known thread", []string{
			"1/1:\tread(3, 0x1, 4)\t(sleeping...)",
			"1/1:\tread(4, \" a\", 4)\t= 1",
		}, []string{"Unfinished Solaris 1/1 read(3 ; 0x1 ; 4)", "Call Solaris 1/1 read(4 ; \" a\" ; 4) = 1 data=\"a\""}},
		{"another descriptor, unknown threads", []string{
			"read(3, 0x1, 4)\t(sleeping...)",
			"read(4, \" a\", 4)\t= 1",
			"read(3, \" b\", 4)\t= 1",
		}, []string{"Call Any read(4 ; \" a\" ; 4) = 1 data=\"a\"", "Call Any read(3 ; \" b\" ; 4) = 1 data=\"b\""}},
		{"twice", []string{
			"1/1:\t 0.1000\tread(3, 0x1, 4)\t(sleeping...)",
			"1/1:\t 0.2000\tread(3, 0x1, 4)\t(sleeping...)",
			"1/1:\t 0.3000\tread(3, 0x1, 4)\t= 0",
		}, []string{"Unfinished Solaris 1/1 time=100000000 read(3 ; 0x1 ; 4)", "Call Solaris 1/1 time=300000000 begin=200000000 read(3 ; 0x1 ; 4) = 0"}},
		{"process exits", []string{
			"1/2:\tread(3, 0x1, 4)\t(sleeping...)",
			"2/2:\tread(3, 0x1, 4)\t(sleeping...)",
			"1/1:\t_exit(0)",
			"2/2:\tread(3, 0x1, 4)\t= 0",
		}, []string{"Call Solaris 1/1 _exit(0)", "Unfinished Solaris 1/2 read(3 ; 0x1 ; 4)", "Call Solaris 2/2 read(3 ; 0x1 ; 4) = 0"}},
		{"process is killed", []string{
			"1/2:\tread(3, 0x1, 4)\t(sleeping...)",
			"1/1:\tread(4, 0x1, 4)\t(sleeping...)",
			"1:\t\t*** process killed ***",
		}, []string{"Unfinished Solaris 1/2 read(3 ; 0x1 ; 4)", "Unfinished Solaris 1/1 read(4 ; 0x1 ; 4)",
			"Exit Any 1/0 \"*** process killed ***\" name= code=0 killed=true core=false thread=false"}},
		{"a signal between", []string{
			"1:\tread(3, 0x1, 4)\t(sleeping...)",
			"1:\t    Received signal #14, SIGALRM, in read() [caught]",
			"1:\t      siginfo: SIGALRM pid=7 uid=0",
			"1:\tread(3, 0x1, 4)\tErr#4 EINTR",
		}, []string{"Signal Any 1/0 \"Received signal #14, SIGALRM, in read() [caught]\" name=SIGALRM code=14 killed=false core=false thread=false | siginfo: SIGALRM pid=7 uid=0",
			"Call Any 1/0 read(3 ; 0x1 ; 4) = -1 EINTR 4 \"\""}},
		{"FreeBSD is given on at once", []string{
			"    1 100001: read(3,\"a\",1)\t = 1 (0x1)",
			"<thread 100001 exited>",
		}, []string{"Call FreeBSD 1/100001 read(3 ; \"a\" ; 1) = 1 data=\"a\"", "Exit FreeBSD 0/100001 \"<thread 100001 exited>\" name= code=0 killed=false core=false thread=true"}},
	} {
		got := joinAll(t, strings.Join(c.in, "\n")+"\n")
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

// add passes a line to a Joiner, which must not retain its bytes.
func add(t *testing.T, j *Joiner, s string, emit func(*Line)) {
	t.Helper()
	line := []byte(s)
	var l Line
	if err := Parse(line, &l); err != nil {
		t.Fatalf("%v: %.100q", err, s)
	}
	j.Add(&l, emit)
	for i := range line {
		line[i] = '#'
	}
}

// TestJoinBounds checks that the memory of a Joiner is bounded, and that it loses nothing but
// details that it reports as lost.
func TestJoinBounds(t *testing.T) {
	t.Run("pending", func(t *testing.T) {
		var j Joiner
		var got []uint32
		emit := func(l *Line) {
			if l.Kind != Unfinished {
				t.Error(show(l))
			}
			got = append(got, l.LWP)
		}
		const more = 100
		for i := range MaxPending + more {
			add(t, &j, fmt.Sprintf("1/%d:\tread(3, 0x1, 4)\t(sleeping...)", i+1), emit)
		}
		if len(got) != more-1 || j.used != MaxPending { // one is held
			t.Errorf("%d given on, %d kept", len(got), j.used)
		}
		j.Flush(emit)
		for i, lwp := range got {
			if lwp != uint32(i+1) {
				t.Fatalf("thread %d is number %d", lwp, i)
			}
		}
		if len(got) != MaxPending+more || len(j.parts) > MaxPending+1 || j.bytes != 0 {
			t.Errorf("%d given on, %d parts, %d bytes", len(got), len(j.parts), j.bytes)
		}
	})
	t.Run("same", func(t *testing.T) {
		var j Joiner
		n := 0
		emit := func(*Line) { n++ }
		for i := range 1000 {
			add(t, &j, fmt.Sprintf("read(%d, 0x1, 4)\t(sleeping...)", i), emit)
		}
		if j.used != maxSame || n != 1000-maxSame-1 {
			t.Errorf("%d kept, %d given on", j.used, n)
		}
	})
	t.Run("bytes", func(t *testing.T) {
		var j Joiner
		n := 0
		emit := func(*Line) { n++ }
		arg := strings.Repeat("x", 8<<20)
		for i := range 12 {
			add(t, &j, fmt.Sprintf("1/%d:\topen(3, \"%s\")\t(sleeping...)", i+1, arg), emit)
			if j.bytes > maxPendingBytes {
				t.Fatalf("%d bytes", j.bytes)
			}
		}
		if n == 0 {
			t.Error("all kept")
		}
		j.Flush(emit)
		if n != 12 || j.bytes != 0 {
			t.Errorf("%d given on, %d bytes left", n, j.bytes)
		}
	})
	t.Run("details", func(t *testing.T) {
		var j Joiner
		var got []string
		size := 0
		emit := func(l *Line) {
			got = append(got, fmt.Sprintf("%v %s %t", l.Kind, l.Name, l.Cut))
			size = max(size, len(l.Details))
		}
		detail := "\t" + strings.Repeat("x", 1<<16)
		add(t, &j, "write(3, 0x1, 4)\t= 0", emit)
		for range 20 {
			add(t, &j, detail, emit)
		}
		add(t, &j, "close(3)\t= 0", emit)
		add(t, &j, " argv: x", emit)
		j.Flush(emit)
		if want := []string{"Call write true", "Call close false"}; !slices.Equal(got, want) || size > MaxDetails || size < MaxDetails-2*len(detail) {
			t.Errorf("%q, %d bytes", got, size)
		}
	})
	// A call that is too long with its details stays a call.
	t.Run("long", func(t *testing.T) {
		var j Joiner
		var got []string
		emit := func(l *Line) { got = append(got, fmt.Sprintf("%v %s %t", l.Kind, l.Name, l.Cut)) }
		add(t, &j, "open(\""+strings.Repeat("x", MaxLine-100)+"\", 0)\t= 3", emit)
		add(t, &j, "\t"+strings.Repeat("y", 1000), emit)
		j.Flush(emit)
		if want := []string{"Call open true"}; !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
	})
}
