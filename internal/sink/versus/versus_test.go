package versus_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/versus"
)

const ms = int64(1_000_000)

// run makes a run of a command from bodies, each with its time in ms.
func run(t *testing.T, name string, list ...any) *versus.Run {
	t.Helper()
	r := versus.New(name)
	task := event.Task{Proc: event.Proc{PID: 7}, TID: 7}
	for i := 0; i < len(list); i += 2 {
		e := &event.Entry{Event: event.Event{Time: 1e18 + int64(list[i].(int))*ms, Task: task, Body: list[i+1].(event.Body)}}
		if err := r.Write(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return r
}

func compared(t *testing.T, good, bad *versus.Run) string {
	t.Helper()
	var b bytes.Buffer
	if err := versus.Compare(&b, good, bad); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestCompare(t *testing.T) {
	exec, asks := &event.Process{What: event.Exec, Exe: "/bin/x\x1b"}, &event.Message{Proto: "dns", Kind: event.MessageRequest, Dir: event.DirOut}
	life := func(name, peer int64) *event.Message {
		return &event.Message{Proto: "conn", Budget: &event.Budget{event.ShareName: name * ms, event.SharePeer: peer * ms}}
	}
	answer := func(group, failure string, took int64) *event.Message {
		return &event.Message{Proto: "http", Title: "HTTP", Kind: event.MessageAnswer, Group: group, Error: failure, Took: took * ms}
	}
	good := run(t, "good.pidwire", 0, exec, 1, asks, 2, answer("GET /", "", 10), 3, answer("GET /old", "", 9), 40, life(10, 20), 50, &event.Process{What: event.Exit})
	bad := run(t, "bad.pidwire", 0, exec, 1, asks, 2, asks, 3, answer("GET /", "500", 1000), 4, answer("GET /new", "", 1), 5, &event.Kernel{What: event.KernelEvent, Name: "tcp:retransmit"},
		5000, life(3000, 25), 5000, life(900, 0), 5010, &event.Verdict{Cause: "dns-silent", Severity: event.Warning, Text: "no answer\n"}, 5020, &event.Lost{Layer: event.LayerPkt, Count: 3}, 5050, &event.Process{What: event.Exit, Code: 3})
	want := `good  good.pidwire  50.00ms  exit 0  /bin/x\x1b
bad   bad.pidwire  5.050s  exit 3  /bin/x\x1b
     +3.890s  look-up of names: 3.900s, was 10.00ms
     +1.105s  between and beside the connections
   +990.00ms  HTTP GET /: 1 in 1.000s, 1 failed, was 1 in 10.00ms
     missing  HTTP GET /old: was 1 in 9.00ms
         new  HTTP GET /new: 1 in 1.00ms, the good run has none
          +1  connections: 2, was 1
          +1  look-ups: 2, was 1
          +1  segments sent again: 1, was 0
!   dns-silent: no answer\n
!   lost 3 events of layer pkt: what was not seen there proves nothing
`
	if got := compared(t, good, bad); got != want {
		t.Errorf("shown:\n%s\nwant:\n%s", got, want)
	}
	if good.Problems() != 0 || bad.Problems() != 1 {
		t.Error("problems")
	}
	// The other way around, and with itself.
	if got := compared(t, bad, good); !strings.Contains(got, "only in the good run: dns-silent") || !strings.Contains(got, "     -3.890s  look-up of names") {
		t.Error(got)
	}
	if got := compared(t, good, good); !strings.Contains(got, "no difference worth a line") {
		t.Error(got)
	}
	other := run(t, "other", 0, &event.Process{What: event.Exec, Exe: "/bin/y"})
	if got := compared(t, good, other); !strings.Contains(got, "not runs of the same program") {
		t.Error(got)
	}
	if got := compared(t, versus.New(""), versus.New("")); got == "" {
		t.Error("nothing")
	}
}

// TestBounded checks that a run with many kinds of exchanges does not grow without end.
func TestBounded(t *testing.T) {
	r := versus.New("x")
	for i := range 100000 {
		group := strings.Repeat(string(rune('a'+i%26)), 1000) + string(rune(i))
		_ = r.Write(&event.Entry{Event: event.Event{Body: &event.Message{Proto: "http", Title: "HTTP", Kind: event.MessageAnswer, Group: group}}})
		_ = r.Write(&event.Entry{Event: event.Event{Body: &event.Verdict{Severity: event.Failure}}})
	}
	if got := compared(t, versus.New(""), r); len(got) > 20000 {
		t.Errorf("%d bytes", len(got))
	}
}
