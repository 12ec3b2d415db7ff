package exchanges

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/event"
)

// TestTimes compares the distribution with the sorted times themselves.
func TestTimes(t *testing.T) {
	for _, n := range []int{1, 2, 19, 20, exact, exact + 1, 10_000} {
		r := rand.New(rand.NewPCG(1, uint64(n)))
		var all []int64
		var d times
		for range n {
			ns := int64(1) << r.IntN(40)
			ns += r.Int64N(ns)
			all = append(all, ns)
			d.add(ns)
		}
		slices.Sort(all)
		if d.least != all[0] || d.most != all[n-1] {
			t.Errorf("%d times: %d to %d, want %d to %d", n, d.least, d.most, all[0], all[n-1])
		}
		for _, p := range []uint64{1, 50, 95, 99, 100} {
			want := all[max((n*int(p)+99)/100, 1)-1]
			got := d.at(p)
			if off := max(got-want, want-got); off*fine > want || n <= exact && off != 0 {
				t.Errorf("%d times: %d %% are up to %d, want %d", n, p, got, want)
			}
		}
	}
	for v := uint64(0); v < 1<<20; v++ {
		if m := uint64(middle(classOf(v))); max(m-v, v-m) > 1<<63 && min(m-v, v-m)*2*fine > v {
			t.Fatalf("%d is in a class around %d", v, m)
		}
	}
	if d := (&times{}); d.at(50) != 0 {
		t.Error("no times")
	}
}

func exchange(t *Table, conn *event.Conn, title, group string, dir event.Direction, took int64, failed string) {
	e := &event.Entry{Conn: conn}
	other := event.DirIn
	if dir == event.DirIn {
		other = event.DirOut
	}
	t.Add(e, &event.Message{Title: title, Group: group, Kind: event.MessageRequest, Dir: dir, Exchange: 1, Bytes: 100})
	if took >= 0 {
		t.Add(e, &event.Message{Title: title, Group: group, Kind: event.MessageAnswer, Dir: other, Exchange: 1, Bytes: 1000, Part: event.Head})
		t.Add(e, &event.Message{Title: title, Group: group, Kind: event.MessageAnswer, Dir: other, Exchange: 1, Bytes: 2000, Part: event.Rest, Took: took, Error: failed})
	}
}

func TestTable(t *testing.T) {
	var table Table
	out := &event.Conn{N: 1, Peer: netip.MustParseAddrPort("10.0.0.1:80"), PeerName: "web.test", PeerFrom: event.FromHost}
	in := &event.Conn{N: 2, Peer: netip.MustParseAddrPort("10.0.0.9:54321")}
	again := &event.Conn{N: 3, Peer: netip.MustParseAddrPort("10.0.0.9:54322")}
	for i := range 20 {
		exchange(&table, out, "HTTP", "GET /items/*", event.DirOut, int64(i+1)*1_000_000, "")
	}
	exchange(&table, out, "HTTP", "GET /items/*", event.DirOut, 21_000_000, "503")
	exchange(&table, out, "HTTP", "GET /items/*", event.DirOut, -1, "")
	exchange(&table, in, "DNS", "A", event.DirIn, 5000, "NXDOMAIN")
	exchange(&table, again, "DNS", "A", event.DirIn, 7000, "")
	exchange(&table, &event.Conn{Path: "\x00a\x1b"}, "Redis", "GET", event.DirOut, 1000, "")
	table.Add(&event.Entry{}, &event.Message{Title: "TLS", Kind: event.MessageNotice, Exchange: 1, Group: "x"})
	var b strings.Builder
	table.Write(&b)
	lines := strings.Split(b.String(), "\n")
	for i, want := range []string{
		"exchanges  errors no answer       min    median       p95       max       out        in  peer                    what",
		"--------- ------- --------- --------- --------- --------- --------- --------- ---------  ------------------------ ----------------",
		"       21       1         1      1 ms     11 ms     20 ms     21 ms  2.15 KiB  41 KiB  > web.test:80 (10.0.0.1) HTTP GET /items/*",
		"        2       1                5 us      5 us      7 us      7 us  3.91 KiB     200 B  < 10.0.0.9              DNS A",
		`        1                       1 us      1 us      1 us      1 us     100 B  1.95 KiB  > @a\x1b                Redis GET`,
		"",
	} {
		if strings.Join(strings.Fields(lines[i]), " ") != strings.Join(strings.Fields(want), " ") {
			t.Errorf("line %d:\n%s\nwant\n%s", i, lines[i], want)
		}
	}
	var j bytes.Buffer
	if err := table.Encode(json.NewEncoder(&j)); err != nil || strings.Count(j.String(), "\n") != 3 || !strings.Contains(j.String(), `"no_answer":1,"min_ns":1000000,"median_ns":11000000,"p95_ns":20000000,"max_ns":21000000,"bytes_out":2200,"bytes_in":42000`) {
		t.Errorf("%v\n%s", err, j.String())
	}
}

// TestBounded checks that kinds of exchanges beyond the bound are counted.
func TestBounded(t *testing.T) {
	var table Table
	for i := range maxRows + 50 {
		exchange(&table, nil, "HTTP", fmt.Sprint("GET /", i), event.DirOut, 5, "")
	}
	exchange(&table, nil, "HTTP", strings.Repeat("x", 1<<20), event.DirOut, 5, "")
	if table.Len() != maxRows || table.more != 51 {
		t.Errorf("%d rows, %d more", table.Len(), table.more)
	}
}

func BenchmarkAdd(b *testing.B) {
	var table Table
	c := &event.Conn{N: 1, Peer: netip.MustParseAddrPort("10.0.0.1:80"), PeerName: "web.test", PeerFrom: event.FromHost}
	for i := range b.N {
		exchange(&table, c, "HTTP", "GET /items/*", event.DirOut, int64(i), "")
	}
}
