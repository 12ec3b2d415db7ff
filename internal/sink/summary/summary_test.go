package summary_test

import (
	"bytes"
	"flag"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink"
	"github.com/pidwire/pidwire/internal/sink/sinktest"
	"github.com/pidwire/pidwire/internal/sink/summary"
)

var update = flag.Bool("update", false, "write the golden files again")

func TestContract(t *testing.T) {
	sinktest.Run(t, func(w io.Writer) sink.Sink { return summary.New(w, false) }, sinktest.Options{AtClose: true})
}

func tables(t *testing.T, list []event.Entry) string {
	t.Helper()
	var b bytes.Buffer
	s := summary.New(&b, false)
	for i := range list {
		if err := s.Write(&list[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func call(c *event.Conn, body event.Call) event.Entry {
	return event.Entry{Event: event.Event{
		Task: event.Task{Proc: event.Proc{PID: 4711}, TID: 4712, Comm: "server"}, Body: &body,
	}, Conn: c}
}

func TestTables(t *testing.T) {
	tcp := &event.Conn{N: 1, Family: 2, Type: 1, Protocol: 6, State: 1, Local: netip.MustParseAddrPort("10.0.2.15:8080"), Peer: netip.MustParseAddrPort("10.0.2.2:40000")}
	closed := *tcp
	closed.State, closed.Closed = 7, true
	unix := &event.Conn{N: 12, Family: 1, Type: 1, Path: "/run/\x1b.sock"}
	many := []event.Entry{
		call(tcp, event.Call{Name: "recvfrom", Ret: 1500, Bytes: 1500, In: true, Dur: 2_000_000}),
		call(tcp, event.Call{Name: "recvfrom", Ret: -11, Errno: "EAGAIN", Dur: 1_000}),
		call(tcp, event.Call{Name: "sendto", Ret: 5_000_000, Bytes: 5_000_000, Dur: 3_000_000}),
		call(tcp, event.Call{Name: "sendto", Via: "io_uring", Ret: 64, Bytes: 64, Dur: 500_000}),
		call(tcp, event.Call{Name: "poll", State: event.Waiting, Dur: 9_000_000_000}), // the call will be reported again
		call(unix, event.Call{Name: "connect", Ret: -111, Errno: "ECONNREFUSED", Dur: 25_000}),
		call(nil, event.Call{Name: "poll", Ret: 1, Dur: 500_000_000}),
		call(tcp, event.Call{Name: "recvfrom", State: event.Unfinished, Dur: 10_000_000}),
		call(&closed, event.Call{Name: "close", Dur: 4_000}),
		{Event: event.Event{Body: &event.Process{What: event.Exit}}},
	}
	hostile := []event.Entry{call(tcp, event.Call{Name: "close"})}
	hostile[0].Task.Comm = "\x1b[2J\n"
	for name, list := range map[string][]event.Entry{
		"empty":   nil,
		"calls":   many,
		"lost":    append(many[:1:1], event.Entry{Event: event.Event{Body: &event.Lost{Count: 7}}}, event.Entry{Event: event.Event{Body: &event.Lost{Count: 5}}}),
		"hostile": hostile,
	} {
		t.Run(name, func(t *testing.T) {
			got := tables(t, list)
			file := "testdata/" + name + ".txt"
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// TestManyConns checks that memory is bounded, and that the number of omitted connections is
// reported.
func TestManyConns(t *testing.T) {
	var list []event.Entry
	for n := uint32(1); n <= 10_010; n++ {
		list = append(list, call(&event.Conn{N: n}, event.Call{Name: "close"}))
	}
	out := tables(t, list)
	if !strings.Contains(out, "\nc10000 ") || strings.Contains(out, "\nc10001 ") {
		t.Error("the table does not end at connection 10000")
	}
	if !strings.Contains(out, "calls on other connections: 10\n") {
		t.Error("nothing is said of the connections that are left out")
	}
	if !strings.Contains(out, " 10010 ") {
		t.Error("the calls on them are not counted")
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "", 1: "1 B", 1023: "1023 B", 1024: "1.00 KiB", 1536: "1.50 KiB", 10239: "10.0 KiB", 10240: "10.0 KiB",
		102399: "100 KiB", 102400: "100 KiB", 1 << 20: "1.00 MiB", 1<<20 - 1: "1.00 MiB", 1 << 40: "1.00 TiB", 1<<64 - 1: "16.0 EiB",
	} {
		if got := summary.Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
	// Sizes must fit into a column of 9.
	for n := uint64(1); n < 1<<62; n = n*3 + 1 {
		if got := summary.Bytes(n); len(got) > 9 {
			t.Errorf("Bytes(%d) = %q", n, got)
		}
	}
}
