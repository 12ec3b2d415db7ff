package auditlog_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	. "github.com/pidwire/pidwire/internal/foreign/auditlog"
)

// assembly collects the events of an Assembler, each as SERIAL:TYPE,TYPE.
type assembly struct {
	Assembler
	t   testing.TB
	out []string
	all []Event
}

func (a *assembly) done(e *Event) error {
	var types []string
	for rest := string(e.Text); rest != ""; {
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		r, ok := Parse([]byte(line))
		if !ok || r.Serial != e.Serial || r.Wall() != e.Wall || string(r.Node) != e.Node || r.Type != e.Types[len(types)] {
			a.t.Errorf("event %d of %q has the line %q (types %v)", e.Serial, e.Node, line, e.Types)
		}
		types = append(types, string(r.Name))
	}
	if len(types) != e.N || len(e.Types) != e.N || e.N == 0 || len(e.Text) > 48<<10 {
		a.t.Errorf("event %d: %d records, %d types, %d lines, %d bytes", e.Serial, e.N, len(e.Types), len(types), len(e.Text))
	}
	a.out = append(a.out, fmt.Sprintf("%d:%s", e.Serial, strings.Join(types, ",")))
	c := *e
	c.Text, c.Types = slices.Clone(e.Text), slices.Clone(e.Types)
	a.all = append(a.all, c)
	return nil
}

func (a *assembly) add(line string) {
	a.t.Helper()
	r, ok := Parse([]byte(line))
	if !ok {
		a.t.Fatalf("%q", line)
	}
	if err := a.Add(&r, []byte(line), a.done); err != nil {
		a.t.Fatal(err)
	}
	if a.Open() > 64 {
		a.t.Errorf("%d events are open", a.Open())
	}
}

// rec returns a record; ms is relative to a fixed day.
func rec(kind string, serial, ms int) string {
	return fmt.Sprintf("type=%s msg=audit(%d.%03d:%d): a=b", kind, 1238054490+ms/1000, ms%1000, serial)
}

func TestAssembler(t *testing.T) {
	for name, c := range map[string]struct {
		in         []string
		want       string // those after the bar are done at the end of the log
		open, late int
	}{
		"by EOE":           {in: []string{rec("SYSCALL", 1, 0), rec("SOCKADDR", 1, 0), rec("PROCTITLE", 1, 0), rec("EOE", 1, 0)}, want: "1:SYSCALL,SOCKADDR,PROCTITLE |"},
		"interleaved":      {in: []string{rec("SYSCALL", 1, 0), rec("SYSCALL", 2, 0), rec("SOCKADDR", 1, 0), rec("SOCKADDR", 2, 0), rec("EOE", 2, 0), rec("PROCTITLE", 1, 0), rec("EOE", 1, 0)}, want: "2:SYSCALL,SOCKADDR 1:SYSCALL,SOCKADDR,PROCTITLE |"},
		"no EOE":           {in: []string{rec("SYSCALL", 1, 0), rec("SOCKADDR", 1, 0), rec("SYSCALL", 2, 2000), rec("SYSCALL", 3, 2001)}, want: "1:SYSCALL,SOCKADDR | 2:SYSCALL 3:SYSCALL"},
		"no EOE, user":     {in: []string{rec("SYSCALL", 1, 0), rec("USER_LOGIN", 2, 2001)}, want: "2:USER_LOGIN 1:SYSCALL |"},
		"user space":       {in: []string{rec("SYSCALL", 1, 0), rec("USER_LOGIN", 2, 0), rec("DAEMON_START", 3, 0), rec("ANOM_LOGIN_FAILURES", 4, 0), rec("SOCKADDR", 1, 0)}, want: "2:USER_LOGIN 3:DAEMON_START 4:ANOM_LOGIN_FAILURES | 1:SYSCALL,SOCKADDR"},
		"login":            {in: []string{rec("LOGIN", 1, 0), rec("SYSCALL", 1, 0), rec("PROCTITLE", 1, 0), rec("EOE", 1, 0)}, want: "1:LOGIN,SYSCALL,PROCTITLE |"},
		"EOE alone":        {in: []string{rec("EOE", 1, 0), rec("SYSCALL", 2, 0), rec("EOE", 2, 0), rec("EOE", 2, 0)}, want: "2:SYSCALL |"},
		"late":             {in: []string{rec("SYSCALL", 1, 0), rec("EOE", 1, 0), rec("SOCKADDR", 1, 0), rec("EOE", 1, 0)}, want: "1:SYSCALL 1:SOCKADDR |"},
		"one serial twice": {in: []string{rec("SYSCALL", 1, 0), rec("SYSCALL", 1, 1), rec("EOE", 1, 1), rec("EOE", 1, 0)}, want: "1:SYSCALL 1:SYSCALL |"},
		"reverse":          {in: []string{rec("PROCTITLE", 1, 0), rec("SOCKADDR", 1, 0), rec("SYSCALL", 1, 0)}, want: "| 1:PROCTITLE,SOCKADDR,SYSCALL"},
		"unknown type":     {in: []string{rec("FUTURE", 1, 0), rec("SYSCALL", 1, 0), rec("EOE", 1, 0)}, want: "1:FUTURE,SYSCALL |"},
		"set back":         {in: []string{rec("SYSCALL", 1, 9000), rec("SYSCALL", 2, 0), rec("SYSCALL", 3, 2001)}, want: "2:SYSCALL | 1:SYSCALL 3:SYSCALL"},
		"nodes": {in: []string{"node=a " + rec("SYSCALL", 1, 0), "node=b " + rec("SYSCALL", 1, 0), rec("SYSCALL", 1, 0), "node=b " + rec("SOCKADDR", 1, 0), "node=a " + rec("EOE", 1, 0), rec("EOE", 1, 0), "node=b " + rec("EOE", 1, 0)},
			want: "1:SYSCALL 1:SYSCALL 1:SYSCALL,SOCKADDR |"},
		// A clock that is ahead does not split events of another node.
		"clocks of nodes": {in: []string{"node=a " + rec("SYSCALL", 1, 0), "node=b " + rec("SYSCALL", 7, 60000), "node=a " + rec("SOCKADDR", 1, 0), "node=a " + rec("EOE", 1, 0), "node=b " + rec("EOE", 7, 60000)}, want: "1:SYSCALL,SOCKADDR 7:SYSCALL |"},
	} {
		a := assembly{t: t}
		for _, line := range c.in {
			a.add(line)
		}
		a.out = append(a.out, "|")
		if err := a.Flush(a.done); err != nil || a.Open() != 0 || a.Cut != 0 {
			t.Errorf("%s: flush: %v, %d open, %d cut", name, err, a.Open(), a.Cut)
		}
		if got := strings.Join(a.out, " "); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

func TestManyOpen(t *testing.T) {
	a := assembly{t: t}
	for i := range 100 {
		a.add(rec("SYSCALL", i, 0))
	}
	if a.Open() != 64 || len(a.out) != 36 || a.out[0] != "0:SYSCALL" || a.out[35] != "35:SYSCALL" {
		t.Errorf("%d open, given out: %v", a.Open(), a.out)
	}
	a.add(rec("SOCKADDR", 0, 0)) // too late
	a.add(rec("SOCKADDR", 99, 0))
	if err := a.Flush(a.done); err != nil {
		t.Fatal(err)
	}
	if n := len(a.out); n != 101 || a.out[n-2] != "99:SYSCALL,SOCKADDR" || a.out[n-1] != "0:SOCKADDR" {
		t.Errorf("%v", a.out)
	}
}

func TestCut(t *testing.T) {
	a := assembly{t: t}
	for range 100 {
		a.add(rec("PATH", 1, 0) + strings.Repeat("x", 1000))
	}
	a.add(rec("CWD", 1, 0)) // there is still room for it
	a.add(rec("EOE", 1, 0))
	if len(a.all) != 1 || a.Cut == 0 || uint64(a.all[0].N)+a.Cut != 101 || a.all[0].Types[a.all[0].N-1] != 1307 {
		t.Errorf("%d events, %d cut", len(a.all), a.Cut)
	}
	// A line that is too long for an event.
	cut := a.Cut
	r, _ := Parse([]byte(rec("SYSCALL", 2, 0)))
	if err := a.Add(&r, make([]byte, 48<<10), a.done); err != nil || a.Cut != cut+1 || a.Open() != 1 {
		t.Errorf("%v, %d cut, %d open", err, a.Cut-cut, a.Open())
	}
	if err := a.Flush(a.done); err != nil || len(a.all) != 1 {
		t.Errorf("%v, %d events", err, len(a.all))
	}
	// Empty lines must not grow an event without bound.
	for range 100_000 {
		_ = a.Add(&r, nil, func(*Event) error { return nil })
	}
	err := a.Flush(func(e *Event) error {
		if len(e.Text) > 48<<10 || e.N > 49<<10 {
			t.Errorf("%d bytes, %d lines", len(e.Text), e.N)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAssemblerError(t *testing.T) {
	full := errors.New("full")
	fail := func(*Event) error { return full }
	add := func(a *Assembler, line string) error {
		r, _ := Parse([]byte(line))
		return a.Add(&r, []byte(line), fail)
	}
	var a Assembler
	for i := range 64 {
		if err := add(&a, rec("SYSCALL", i, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if err := add(&a, rec("SYSCALL", 100, 0)); !errors.Is(err, full) {
		t.Errorf("no room: %v", err)
	}
	if err := add(&a, rec("EOE", 5, 0)); !errors.Is(err, full) {
		t.Errorf("EOE: %v", err)
	}
	if err := add(&a, rec("SYSCALL", 101, 3000)); !errors.Is(err, full) {
		t.Errorf("patience: %v", err)
	}
	if err := a.Flush(fail); !errors.Is(err, full) {
		t.Errorf("flush: %v", err)
	}
	for a.Open() > 0 { // it continues after the error
		_ = a.Flush(fail)
	}
}

// TestInterleavings checks that each event is done once and complete for any interleaving of its
// records, as long as at most 64 are open.
func TestInterleavings(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		type source struct {
			node   string
			serial int
			ms     int
			kinds  []string
			next   int
			eoe    bool
		}
		var open []*source
		want := map[string]string{}
		a := assembly{t: t}
		clock := [3]int{0, 50_000, 7}
		serials := [3]int{}
		step := func(i int) {
			s := open[i]
			if s.next == len(s.kinds) {
				open = slices.Delete(open, i, i+1)
				if s.eoe {
					a.add(s.node + rec("EOE", s.serial, s.ms))
				}
				return
			}
			a.add(s.node + rec(s.kinds[s.next], s.serial, s.ms))
			s.next++
		}
		limit := 1 + rnd.IntN(20)
		for range 300 {
			if len(open) < limit && rnd.IntN(2) == 0 {
				n := rnd.IntN(3)
				// Without EOE complete events stay open until patience ends.
				clock[n] += rnd.IntN(4)
				serials[n]++
				s := &source{node: []string{"", "node=a ", "node=b "}[n], serial: serials[n], ms: clock[n], eoe: limit > 10 || rnd.IntN(4) > 0}
				s.kinds = []string{"SYSCALL", "SOCKADDR", "CWD", "PATH", "PATH", "PROCTITLE"}[:1+rnd.IntN(6)]
				if rnd.IntN(10) == 0 {
					s.kinds, s.eoe = []string{"USER_LOGIN"}, false
				}
				want[fmt.Sprintf("%s%d", s.node, s.serial)] = fmt.Sprintf("%d:%s", s.serial, strings.Join(s.kinds, ","))
				open = append(open, s)
			}
			if len(open) > 0 {
				step(rnd.IntN(len(open)))
			}
			if limit <= 10 && a.Open() > 40 { // advance the time, so that complete events are done
				for len(open) > 0 {
					step(0)
				}
				for n := range clock {
					clock[n] += 2001
					serials[n]++
					node := []string{"", "node=a ", "node=b "}[n]
					a.add(node + rec("USER_LOGIN", serials[n], clock[n]))
					want[fmt.Sprintf("%s%d", node, serials[n])] = fmt.Sprintf("%d:USER_LOGIN", serials[n])
				}
			}
		}
		for len(open) > 0 {
			step(0)
		}
		if err := a.Flush(a.done); err != nil || a.Cut != 0 {
			t.Fatal(err, a.Cut)
		}
		for i, e := range a.all {
			key := fmt.Sprintf("%d", e.Serial)
			if e.Node != "" {
				key = "node=" + e.Node + " " + key
			}
			if a.out[i] != want[key] {
				t.Fatalf("seed %d: %s: got %s, want %s", seed, key, a.out[i], want[key])
			}
			delete(want, key)
		}
		if len(want) > 0 {
			t.Fatalf("seed %d: never came: %v", seed, want)
		}
	}
}

func TestAssemblerNoAlloc(t *testing.T) {
	var recs []Record
	var text [][]byte
	for _, line := range lines(t, "kernel-6.18.log") {
		r, _ := Parse([]byte("node=web1 " + line))
		recs, text = append(recs, r), append(text, []byte("node=web1 "+line))
	}
	var a Assembler
	done := func(*Event) error { return nil }
	n := testing.AllocsPerRun(10, func() {
		for i := range recs {
			if err := a.Add(&recs[i], text[i], done); err != nil {
				t.Fatal(err)
			}
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
