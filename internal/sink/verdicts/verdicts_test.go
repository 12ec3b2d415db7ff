package verdicts_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink"
	"github.com/pidwire/pidwire/internal/sink/sinktest"
	"github.com/pidwire/pidwire/internal/sink/verdicts"
)

func TestContract(t *testing.T) {
	sinktest.Run(t, func(w io.Writer) sink.Sink { return verdicts.New(w, verdicts.Options{}) }, sinktest.Options{Folds: true})
}

func shown(t *testing.T, list ...event.Body) string {
	t.Helper()
	return shownAs(t, verdicts.Options{Start: 1e9}, list...)
}

func shownAs(t *testing.T, o verdicts.Options, list ...event.Body) string {
	t.Helper()
	var b bytes.Buffer
	s := verdicts.New(&b, o)
	for _, body := range list {
		if err := s.Write(&event.Entry{Event: event.Event{Time: 2e9, Body: body}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestVerdicts(t *testing.T) {
	got := shown(t, &event.Verdict{
		Rank: 1, Cause: "dns-silent", Severity: event.Failure, Conns: []uint32{1, 3}, Cost: 5_010_000_000, Share: 0.94, Count: 2,
		Text:     "10.0.0.53:53 answered none of 2 queries for a.name.that.makes.the.line.longer.than.a.terminal.is.test",
		Evidence: []event.Evident{{Layer: event.LayerMsg, Seq: 3, Time: 1_500_000_000, Text: "asked"}, {Layer: event.LayerSys, Seq: 9, Time: 6_500_000_000, Text: "poll() = 0"}},
		Try:      []string{"repair it", "options timeout:1"}, Missing: []event.Layer{event.LayerKrn},
	}, &event.Verdict{Rank: 2, Cause: "no-route", Text: "there is no route", Evidence: []event.Evident{{Seq: 1}}},
		&event.Message{Proto: "conn", Budget: &event.Budget{event.ShareName: 5_010_000_000, event.SharePeer: 90_000_000, event.ShareOwn: 1}})
	want := `!   dns-silent, 5.010s (94 % of the time), 2 times  c1 and 1 more
    10.0.0.53:53 answered none of 2 queries for
    a.name.that.makes.the.line.longer.than.a.terminal.is.test
    evidence  0.500000 msg #3 asked
              5.500000 sys #9 poll() = 0
    try       repair it
              options timeout:1
    missing   layers krn would make it more certain
-   harmless: there is no route
time  name 5.010s (98 %)  peer 90.00ms (2 %)
`
	if got != want {
		t.Errorf("shown:\n%swant:\n%s", got, want)
	}
	for l := range strings.Lines(got) {
		if len(l) > 81 {
			t.Errorf("a line of %d columns: %s", len(l)-1, l)
		}
	}
}

func TestLost(t *testing.T) {
	got := shown(t, &event.Lost{Layer: event.LayerPkt, Count: 3}, &event.Lost{Layer: event.LayerPkt, Count: 4})
	if want := "ok  no problem seen\n!   lost 7 events of layer pkt: what was not seen there proves nothing\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestNone(t *testing.T) {
	if got, want := shown(t), "ok  no problem seen\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestMarkdown(t *testing.T) {
	o := verdicts.Options{Start: 1e9, Markdown: true}
	got := shownAs(t, o, &event.Verdict{
		Rank: 1, Cause: "unix-socket-missing", Severity: event.Failure, Cost: 5_010_000_000, Share: 0.94, Count: 2, Text: "no `x``y` <b>\n",
		Evidence: []event.Evident{{Layer: event.LayerSys, Seq: 3, Time: 1_500_000_000, Text: "connect()"}}, Try: []string{"start it"},
	}, &event.Verdict{Rank: 2, Cause: "no-route", Text: "no route", Evidence: []event.Evident{{Seq: 1}}}, &event.Lost{Layer: event.LayerPkt, Count: 2},
		&event.Message{Proto: "conn", Budget: &event.Budget{event.SharePeer: 90_000_000}})
	want := "### 1. unix-socket-missing\n\n`` no `x` `y` <b>\\n ``\n\n- cost: 5.010s, 94 % of the time\n- 2 times\n- evidence: 0.500000 sys #3 `` connect() ``\n- try: `` start it ``\n\n" +
		"- harmless: `` no route ``\n- lost 2 events of layer pkt: what was not seen there proves nothing\n\n```\ntime  peer 90.00ms (100 %)\n```\n"
	if got != want {
		t.Errorf("shown:\n%s\nwant:\n%s", got, want)
	}
	if got := shownAs(t, o); got != "No problem seen.\n\n" {
		t.Errorf("%q", got)
	}
}
