package jsonl_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/pidwire/pidwire/docs"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink"
	"github.com/pidwire/pidwire/internal/sink/jsonl"
	"github.com/pidwire/pidwire/internal/sink/notation"
	"github.com/pidwire/pidwire/internal/sink/sinktest"
)

func TestContract(t *testing.T) {
	for name, o := range map[string]jsonl.Options{
		"as it is": {},
		"full":     {Notation: notation.Options{Verbose: true, FDs: 2, StrLen: 4096}},
		"coloured": {Notation: notation.Options{Style: &notation.Style{Name: "\x1b[1m", Error: "\x1b[31m", String: "\x1b[32m"}}},
	} {
		t.Run(name, func(t *testing.T) {
			sinktest.Run(t, func(w io.Writer) sink.Sink { return jsonl.New(w, o) }, sinktest.Options{})
		})
	}
}

const start = int64(1_700_000_000_000_000_000)

func lines(t *testing.T, list []event.Entry) []string {
	t.Helper()
	var b bytes.Buffer
	s := jsonl.New(&b, jsonl.Options{Start: start})
	for i := range list {
		if err := s.Write(&list[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(docs.Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// validate checks a line by the schema, and for duplicate keys and numbers that lose digits.
func validate(t *testing.T, s *jsonschema.Schema, line string) map[string]any {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
	if err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	if err := s.Validate(doc); err != nil {
		t.Errorf("%v\n%s", err, line)
	}
	unique(t, json.NewDecoder(strings.NewReader(line)), line)
	m, ok := doc.(map[string]any)
	if !ok {
		t.Fatalf("no object: %s", line)
	}
	return m
}

// unique reads one value, and fails if an object has a duplicate key.
func unique(t *testing.T, d *json.Decoder, line string) {
	t.Helper()
	tok, err := d.Token()
	if err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	switch tok {
	case json.Delim('{'):
		keys := map[any]bool{}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				t.Fatal(err)
			}
			if keys[key] {
				t.Errorf("key %v twice in %s", key, line)
			}
			keys[key] = true
			unique(t, d, line)
		}
		_, _ = d.Token()
	case json.Delim('['):
		for d.More() {
			unique(t, d, line)
		}
		_, _ = d.Token()
	}
}

// conns are connections of many kinds.
// TestLinesStandAlone checks that lines do not depend on state of the sink: an entry must give the
// same line in any order, and in a sink of its own.
func TestLinesStandAlone(t *testing.T) {
	list := broad()
	for i := range list {
		e := &list[i]
		e.Time += int64(i%3) * 999_999_999
		if i%7 == 0 {
			e.Time = -e.Time
		}
		e.Task.UID, e.User = uint32(i%2), []string{"", "root", "alice"}[i%3]
	}
	got := lines(t, append(slices.Clone(list), list...))
	got = got[:len(got)-1]
	if got[0] == got[1] || len(got)%2 != 0 {
		t.Fatalf("%d lines", len(got))
	}
	at := 0
	for i := range list {
		alone := lines(t, list[i:i+1])
		for _, want := range alone[:len(alone)-1] {
			for _, n := range []int{at, len(got)/2 + at} {
				if got[n] != want {
					t.Fatalf("line %d:\n got %s\nwant %s", n, got[n], want)
				}
			}
			at++
		}
	}
	if at != len(got)/2 {
		t.Errorf("%d lines of %d", at, len(got)/2)
	}
}

func conns() []*event.Conn {
	v4, v6 := netip.MustParseAddrPort("10.0.2.15:48448"), netip.MustParseAddrPort("[fe80::1%eth0]:80")
	return []*event.Conn{
		nil,
		{N: 1, ID: event.SockID{Cookie: 1<<64 - 1, Inode: 4711}, NetNS: 4026531840, Family: 2, Type: 1, Protocol: 6, State: 1, Local: v4, Peer: v4},
		{N: 2, Family: 10, Type: 2, Protocol: 17, Local: v6},
		{N: 3, Family: 10, Type: 1, Protocol: 262, Listener: 1},
		{N: 4, Family: 1, Type: 1, Path: "\x00abstract\xff", Old: true},
		{N: 5, Family: 1, Type: 2},
		{N: 6, Family: 16, Type: 3, Protocol: 15},
		{N: 7, Family: 2, Type: 3, Protocol: 1},
		{N: 8, Family: 10, Type: 5, Protocol: 132},
		{N: 1<<32 - 1, Family: 0xffff, Type: 0xffff, Protocol: 0xffff, State: 255},
	}
}

func broad() []event.Entry {
	list := sinktest.Timeline("x")
	for _, s := range sinktest.Hostile {
		list = append(list, sinktest.Timeline(s)...)
	}
	for _, c := range conns() {
		for _, body := range []event.Call{
			{Name: "connect", ABI: event.X86_64, NR: 42, Ret: -111, Errno: "ECONNREFUSED", Socks: []event.Sock{{FD: 5}}},
			{Name: "recvfrom", ABI: event.I386, NR: 102, Via: "socketcall", Ret: 1 << 40, Bytes: 1 << 40, In: true, Socks: []event.Sock{{FD: -1}}},
			{Name: "sendto", ABI: event.ARM64, Via: "io_uring", Bytes: 1, Redacted: true, Cut: true},
			{Name: "poll", ABI: event.ARM, State: event.Waiting, Dur: 5},
			{Name: "accept", ABI: event.X32, State: event.Unfinished},
			{ABI: 77},
		} {
			m := event.MatchNone
			if c != nil {
				m = []event.Match{event.MatchExact, event.MatchTable, event.MatchGuess}[c.N%3]
			}
			list = append(list, event.Entry{Event: event.Event{Time: start + 41_000, Seq: 1<<64 - 1, Body: &body}, Conn: c, Match: m})
		}
	}
	return list
}

func TestSchema(t *testing.T) {
	s := schema(t)
	kinds := map[string]int{}
	all := lines(t, broad())
	for _, l := range all {
		m := validate(t, s, l)
		typ, _ := m["type"].(string)
		kinds[typ]++
	}
	for _, typ := range []string{"syscall", "process", "lost", "end"} {
		if kinds[typ] == 0 {
			t.Errorf("no line of type %s among %d", typ, len(all))
		}
	}
	if kinds["end"] != 1 {
		t.Errorf("%d lines of type end", kinds["end"])
	}
	for _, l := range []string{
		`{"v":1,"type":"layer","layer":"sys","state":"ok","what":"system calls: raw tracepoints"}`,
		`{"v":1,"type":"layer","layer":"sys","state":"off","what":"x","cause":["a"],"fix":["b","c"]}`,
		`{"v":1,"type":"layer","layer":"pkt","state":"not built","what":"packets: not in this version"}`,
	} {
		validate(t, s, l)
	}
}

// TestSchemaStrict checks that the schema rejects invalid lines. A schema that accepts
// everything would pass all other tests.
func TestSchemaStrict(t *testing.T) {
	s := schema(t)
	c := conns()[1]
	good := lines(t, []event.Entry{
		{Event: event.Event{Time: start, Seq: 1, Body: &event.Call{Name: "socket", Args: []event.Arg{{Name: "domain"}}, Socks: []event.Sock{{FD: 3}}}}, Conn: c, Others: []*event.Conn{c}},
		{Event: event.Event{Time: start, Seq: 2, Body: &event.Process{What: event.Exit, Container: "x", NetNS: 1}}},
		{Event: event.Event{Time: start, Seq: 3, Body: &event.Lost{Count: 1, Reason: "x"}}},
	})
	if len(good) != 4 {
		t.Fatalf("%d lines", len(good))
	}
	var refused, tried int
	for _, l := range good {
		validate(t, s, l)
		var doc any
		if err := json.Unmarshal([]byte(l), &doc); err != nil {
			t.Fatal(err)
		}
		// Add an unknown field to each object, and replace each string, number and object by
		// another type.
		objects(doc, func(m map[string]any) {
			m["surprise"] = 1
			tried++
			if s.Validate(doc) != nil {
				refused++
			} else {
				t.Errorf("accepted with a strange field: %v", m)
			}
			delete(m, "surprise")
			for k, v := range m {
				m[k] = []any{map[string]any{}}
				tried++
				if s.Validate(doc) != nil {
					refused++
				} else {
					t.Errorf("%s may be anything", k)
				}
				m[k] = v
			}
		})
		if err := s.Validate(doc); err != nil {
			t.Fatalf("the test changed the line: %v", err)
		}
	}
	if refused < 50 {
		t.Errorf("%d of %d refused", refused, tried)
	}
	for _, bad := range []string{
		`{}`, `[]`, `{"v":2,"type":"end","reason":"x","lost":{"sys":0}}`, `{"v":1,"type":"surprise"}`, `{"v":1,"type":"end","reason":"x"}`,
		`{"v":1,"type":"layer","layer":"sys","state":"fine","what":"x"}`,
		`{"v":1,"type":"lost","layer":"sys","time":"2023-11-14T22:13:20Z","t_ns":0,"seq":1,"lost":{"count":1,"reason":"x"}}`,
	} {
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(bad))
		if err != nil {
			t.Fatal(err)
		}
		if s.Validate(doc) == nil {
			t.Errorf("accepted: %s", bad)
		}
	}
}

func objects(v any, do func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		do(v)
		for _, x := range v {
			objects(x, do)
		}
	case []any:
		for _, x := range v {
			objects(x, do)
		}
	}
}

// TestSchemaDescribes checks that each field in the schema has a description or an obvious name,
// and that each definition is used.
func TestSchemaDescribes(t *testing.T) {
	var doc struct {
		Defs map[string]any `json:"$defs"`
	}
	if err := json.Unmarshal(docs.Schema, &doc); err != nil {
		t.Fatal(err)
	}
	for name := range doc.Defs {
		if n := strings.Count(string(docs.Schema), `"#/$defs/`+name+`"`); n == 0 {
			t.Errorf("definition %s is not used", name)
		}
	}
}

// TestDesign checks the fields that are documented in design.md.
func TestDesign(t *testing.T) {
	conn := conns()[1]
	conn.Local, conn.Peer = netip.MustParseAddrPort("10.0.2.15:48448"), netip.MustParseAddrPort("10.0.0.5:80")
	conn.ID.Cookie = 7340
	got := lines(t, []event.Entry{
		{
			Event: event.Event{
				Time: start + 41_000, Seq: 7, Task: event.Task{Proc: event.Proc{PID: 402475, Start: 5}, TID: 402475, NSPID: 3, NSTID: 4, UID: 1000, Comm: "curl"},
				Body: &event.Call{
					Name: "connect", ABI: event.X86_64, NR: 42, Ret: -115, Errno: "EINPROGRESS", Dur: 25_000, Socks: []event.Sock{{FD: 5}},
					Args: []event.Arg{{Name: "sockfd", Raw: 5, Val: event.Tape{{Kind: event.TFd, Num: 5}}}, {Name: "addr", Raw: 1<<64 - 1}},
				},
			},
			Conn: conn, Match: event.MatchExact, User: "alice",
		},
		{Event: event.Event{Time: start + 5, Seq: 8, Body: &event.Lost{Count: 3, Reason: "ring buffer full"}}},
		{Event: event.Event{Time: start + 5, Seq: 9, Body: &event.Lost{Count: 4, Reason: "output too slow"}}},
		{Event: event.Event{Time: start + 6, Seq: 10, Body: &event.End{Reason: "detached"}}},
	})
	want := []string{
		`{"v":1,"type":"syscall","layer":"sys","time":"2023-11-14T22:13:20.000041000Z","t_ns":41000,"seq":7,"conn":"c1","match":"exact",
		 "process":{"pid":402475,"tid":402475,"namespace":{"pid":3,"tid":4},"start":5,"executable":{"name":"curl"},"user":{"id":1000,"name":"alice"}},
		 "network":{"transport":"tcp","type":"ipv4","local":{"address":"10.0.2.15","port":48448},"peer":{"address":"10.0.0.5","port":80}},
		 "socket":{"cookie":"7340","inode":"4711","netns":"4026531840","fd":5,"family":2,"type":1,"protocol":6,"state":"ESTABLISHED"},
		 "syscall":{"name":"connect","abi":"x86_64","number":42,"text":"connect(5, 0xffffffffffffffff) = -1 EINPROGRESS",
		  "args":[{"name":"sockfd","raw":"5","text":"5"},{"name":"addr","raw":"18446744073709551615"}],
		  "state":"returned","result":-115,"duration_ns":25000},"error":{"type":"EINPROGRESS"}}`,
		`{"v":1,"type":"lost","layer":"sys","time":"2023-11-14T22:13:20.000000005Z","t_ns":5,"seq":8,"lost":{"count":3,"reason":"ring buffer full"}}`,
		`{"v":1,"type":"lost","layer":"sys","time":"2023-11-14T22:13:20.000000005Z","t_ns":5,"seq":9,"lost":{"count":4,"reason":"output too slow"}}`,
		`{"v":1,"type":"end","reason":"detached","lost":{"sys":7}}`,
	}
	if len(got) != len(want) {
		t.Fatalf("%d lines, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	for i := range want {
		var g, w any
		if err := json.Unmarshal([]byte(got[i]), &g); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(want[i]), &w); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(g, w) {
			t.Errorf("got  %s\nwant %s", got[i], regexp.MustCompile(`\n\s*`).ReplaceAllString(want[i], ""))
		}
	}
}

// TestBase checks the fields that all lines have.
func TestBase(t *testing.T) {
	all := lines(t, broad())
	for i, l := range all {
		var line struct {
			V     int
			Type  string
			Layer string
			Time  string
			TNS   *int64           `json:"t_ns"`
			Lost  *json.RawMessage `json:"lost"`
		}
		if err := json.Unmarshal([]byte(l), &line); err != nil {
			t.Fatal(err)
		}
		if line.V != 1 || line.Type == "" {
			t.Errorf("v %d, type %q: %s", line.V, line.Type, l)
		}
		if i == len(all)-1 {
			if line.Type != "end" || line.Lost == nil {
				t.Errorf("the last line is %s", l)
			}
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, line.Time)
		layer := "sys"
		switch line.Type {
		case "packet", "handover":
			layer = "pkt"
		case "state", "kernel":
			layer = "krn"
		case "audit":
			layer = "aud"
		case "message":
			layer = "msg"
		case "verdict":
			layer = "" // of all layers
		}
		if err != nil || line.TNS == nil || at.UnixNano() != start+*line.TNS || line.Layer != layer {
			t.Errorf("time %q (%v), t_ns %v, layer %q: %s", line.Time, err, line.TNS, line.Layer, l)
		}
	}
}

// TestCut checks the reason of a timeline whose source did not report its end.
func TestCut(t *testing.T) {
	got := lines(t, nil)
	if want := `{"v":1,"type":"end","reason":"cut","lost":{"sys":0}}`; len(got) != 1 || got[0] != want {
		t.Errorf("got %v, want %s", got, want)
	}
}
