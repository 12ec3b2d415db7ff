package list

import (
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/prototest"
)

var update = flag.Bool("update", false, "write the expected messages")

// talks returns the files with conversations of all protocols.
func talks(t testing.TB) []string {
	names, err := filepath.Glob("../*/testdata/*.talk")
	if err != nil || len(names) == 0 {
		t.Fatalf("no conversations: %v", err)
	}
	return names
}

// TestTalks checks the messages of each conversation, and that each protocol has one.
func TestTalks(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range talks(t) {
		got := prototest.Run(All, proto.Options{}, prototest.Read(t, name), nil)
		for _, e := range got {
			seen[e.Body.(*event.Message).Proto] = true
		}
		golden := strings.TrimSuffix(name, ".talk") + ".msgs"
		text := prototest.Lines(got)
		if *update {
			if err := os.WriteFile(golden, []byte(text), 0o666); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if text != string(want) {
			t.Errorf("%s: got\n%swant\n%s", name, text, want)
		}
	}
	for _, p := range All {
		if !seen[p.Name] {
			t.Errorf("no conversation of %s", p.Name)
		}
	}
}

// TestSplit checks that the messages are the same however the bytes are split.
func TestSplit(t *testing.T) {
	for _, name := range talks(t) {
		talk := prototest.Read(t, name)
		if talk.Datagrams || talk.Old || talk.Gaps() {
			continue
		}
		want := prototest.Lines(prototest.Run(All, proto.Options{}, talk, nil))
		splits := map[string]func(int) int{"bytes": func(int) int { return 1 }}
		for seed := range uint64(20) {
			r := rand.New(rand.NewPCG(seed, 1))
			most := 1 << (1 + seed%10)
			splits["random "+string(rune('a'+seed))] = func(int) int { return 1 + r.IntN(most) }
		}
		for how, split := range splits {
			if got := prototest.Lines(prototest.Run(All, proto.Options{}, prototest.Read(t, name), split)); got != want {
				t.Errorf("%s split (%s): got\n%swant\n%s", name, how, got, want)
				break
			}
		}
	}
}

// messages counts messages, and checks what is true of all.
func messages(t *testing.T, what string, list []*event.Entry) {
	t.Helper()
	for _, e := range list {
		m := e.Body.(*event.Message)
		switch {
		case m.Proto == "" || m.Title == "":
			t.Fatalf("%s: a message of no protocol: %s", what, prototest.Line(e))
		case m.Took < 0 || m.Took > 0 && m.Exchange == 0:
			t.Fatalf("%s: an impossible time: %s", what, prototest.Line(e))
		case m.Bytes < 0:
			t.Fatalf("%s: an impossible size: %s", what, prototest.Line(e))
		case m.End < m.Begin:
			t.Fatalf("%s: ends before it begins: %s", what, prototest.Line(e))
		case m.Kind == event.MessageRequest && m.Exchange == 0 && m.Part != event.Rest:
			t.Fatalf("%s: a request without an exchange: %s", what, prototest.Line(e))
		}
		for _, f := range m.Fields {
			if f.Key == nil {
				t.Fatalf("%s: a field without a key: %s", what, prototest.Line(e))
			}
		}
	}
}

// TestGaps checks that missing bytes, anywhere, are survived, and that no answer is given to a
// request that is not its own: whatever is missing, exchanges without a mark have the request and the answer of one
// exchange of the whole conversation.
func TestGaps(t *testing.T) {
	for _, name := range talks(t) {
		whole := prototest.Run(All, proto.Options{}, prototest.Read(t, name), nil)
		pairs := pairsOf(whole, true)
		for seed := range uint64(200) {
			talk := prototest.Read(t, name)
			if talk.Datagrams {
				continue
			}
			r := rand.New(rand.NewPCG(seed, 2))
			for range 1 + r.IntN(2) {
				s := &talk.Steps[r.IntN(len(talk.Steps))]
				if len(s.Data) > 0 {
					cut := r.IntN(len(s.Data))
					s.Gap += int64(len(s.Data) - cut)
					s.Data = s.Data[:cut]
				}
			}
			got := prototest.Run(All, proto.Options{}, talk, nil)
			messages(t, name, got)
			known(t, name, seed, pairs, got)
		}
	}
}

// known checks that the pairs of a list are those of the whole conversation. A text that is cut ends with dots.
func known(t *testing.T, name string, seed uint64, pairs map[[2]string]bool, got []*event.Entry) {
	t.Helper()
	for p := range pairsOf(got, false) {
		found := false
		for q := range pairs {
			same := true
			for i := range p {
				cut, dots := strings.CutSuffix(p[i], "...")
				same = same && (p[i] == q[i] || dots && strings.HasPrefix(q[i], cut))
			}
			found = found || same
		}
		if !found {
			t.Fatalf("%s, seed %d: the pair %q is not in the whole conversation:\n%s", name, seed, p, prototest.Lines(got))
		}
	}
}

// pairsOf returns the texts of the requests and answers of exchanges, of recognized protocols; of those that are not certain
// only with unsure.
func pairsOf(list []*event.Entry, unsure bool) map[[2]string]bool {
	asked := map[uint64]string{}
	pairs := map[[2]string]bool{}
	for _, e := range list {
		m := e.Body.(*event.Message)
		switch {
		case m.Exchange == 0 || m.Unsure != "" && !unsure || m.Proto == proto.Unknown:
		case m.Kind == event.MessageRequest:
			asked[m.Exchange] = m.Text
		case m.Kind == event.MessageAnswer && asked[m.Exchange] != "":
			pairs[[2]string{asked[m.Exchange], m.Text}] = true
		}
	}
	return pairs
}

// TestDatagramsLost is TestGaps for datagrams: some are missing, some cut.
func TestDatagramsLost(t *testing.T) {
	for _, name := range talks(t) {
		if !prototest.Read(t, name).Datagrams {
			continue
		}
		pairs := pairsOf(prototest.Run(All, proto.Options{}, prototest.Read(t, name), nil), true)
		for seed := range uint64(200) {
			talk := prototest.Read(t, name)
			r := rand.New(rand.NewPCG(seed, 3))
			var steps []prototest.Step
			for _, s := range talk.Steps {
				switch r.IntN(4) {
				case 0:
					continue
				case 1:
					cut := r.IntN(len(s.Data) + 1)
					s.Gap, s.Data = s.Gap+int64(len(s.Data)-cut), s.Data[:cut]
				}
				steps = append(steps, s)
			}
			talk.Steps = steps
			got := prototest.Run(All, proto.Options{}, talk, nil)
			messages(t, name, got)
			known(t, name, seed, pairs, got)
		}
	}
}

// mutate changes bytes of a conversation.
func mutate(r *rand.Rand, talk *prototest.Talk) {
	for range 1 + r.IntN(8) {
		s := &talk.Steps[r.IntN(len(talk.Steps))]
		if len(s.Data) == 0 {
			continue
		}
		at := r.IntN(len(s.Data))
		switch r.IntN(5) {
		case 0:
			s.Data[at] ^= 1 << r.IntN(8)
		case 1:
			s.Data[at] = [...]byte{0, 1, 0x7f, 0x80, 0xff, '\n'}[r.IntN(6)]
		case 2:
			s.Data = append(s.Data[:at:at], s.Data[min(len(s.Data), at+1+r.IntN(8)):]...)
		case 3:
			part := s.Data[at:min(len(s.Data), at+1+r.IntN(64))]
			s.Data = append(s.Data[:at:at], append(append([]byte(nil), part...), s.Data[at:]...)...)
		case 4:
			s.Dir = s.Dir.Other()
		}
	}
}

// TestHostile checks that changed bytes are harmless, and that the messages of what remains are well formed.
func TestHostile(t *testing.T) {
	for _, name := range talks(t) {
		for seed := range uint64(300) {
			talk := prototest.Read(t, name)
			r := rand.New(rand.NewPCG(seed, 4))
			mutate(r, talk)
			var split func(int) int
			if seed%2 == 1 {
				split = func(int) int { return 1 + r.IntN(40) }
			}
			messages(t, name, prototest.Run(All, proto.Options{}, talk, split))
		}
	}
}

// TestBound checks that a connection takes no more than 64 KiB: the beginnings of a conversation, again and again, and
// what could be a very long message.
func TestBound(t *testing.T) {
	for _, name := range talks(t) {
		talk := prototest.Read(t, name)
		whole := talk.Steps
		for cut := range min(len(whole), 8) {
			talk.Steps = nil
			for range 40 {
				talk.Steps = append(talk.Steps, whole[:cut+1]...)
			}
			// The last step goes on and on.
			last := whole[cut]
			if n := len(last.Data); n > 1 {
				last.Data = append(append([]byte(nil), last.Data[:n-1]...), []byte(strings.Repeat("a", 100_000))...)
			}
			talk.Steps = append(talk.Steps, last)
			if most := prototest.Most(All, talk); most > 64<<10 {
				t.Errorf("%s, %d steps: %d bytes", name, cut+1, most)
			}
		}
	}
}

// TestSecrets checks that no secret of the conversations is shown. In them, secrets contain the word "geheim".
func TestSecrets(t *testing.T) {
	shown, hidden := 0, 0
	for _, name := range talks(t) {
		text := prototest.Lines(prototest.Run(All, proto.Options{}, prototest.Read(t, name), nil))
		if strings.Contains(text, "geheim") {
			t.Errorf("%s: a secret is shown:\n%s", name, text)
		}
		hidden += strings.Count(text, "***")
		shown += strings.Count(prototest.Lines(prototest.Run(All, proto.Options{Secrets: true}, prototest.Read(t, name), nil)), "geheim")
	}
	if shown == 0 || hidden == 0 {
		t.Errorf("%d secrets shown with --secrets, %d hidden without", shown, hidden)
	}
}

// TestKeys checks the keys of fields: a path may not be a value and an object, and messages have only keys that their protocol lists.
func TestKeys(t *testing.T) {
	listed := map[*event.Key]bool{}
	names := map[string]bool{}
	for _, p := range All {
		for _, k := range p.Keys {
			listed[k] = true
			names[k.Name] = true
			for _, root := range []string{"v", "type", "layer", "time", "seq", "conn", "process", "socket", "message", "error", "match", "cause"} {
				if k.Name == root || strings.HasPrefix(k.Name, root+".") {
					t.Errorf("%s: %s is in an object that all messages have", p.Name, k.Name)
				}
			}
			if strings.HasPrefix(k.Name, "network.") && k.Name != "network.protocol.version" {
				t.Errorf("%s: %s is in an object that all messages have", p.Name, k.Name)
			}
		}
	}
	for n := range names {
		for at := strings.LastIndexByte(n, '.'); at > 0; at = strings.LastIndexByte(n[:at], '.') {
			if names[n[:at]] {
				t.Errorf("%s is a value, and %s is in it", n[:at], n)
			}
		}
	}
	for _, name := range talks(t) {
		for _, e := range prototest.Run(All, proto.Options{}, prototest.Read(t, name), nil) {
			for _, f := range e.Body.(*event.Message).Fields {
				if !listed[f.Key] && e.Body.(*event.Message).Proto != proto.Unknown {
					t.Errorf("%s: %s is not listed", name, f.Name)
					listed[f.Key] = true
				}
			}
		}
	}
}

// FuzzTalk gives the bytes of two directions, cut as the input says, to all protocols.
func FuzzTalk(f *testing.F) {
	for _, name := range talks(f) {
		talk := prototest.Read(f, name)
		var b []byte
		for _, s := range talk.Steps {
			n := min(len(s.Data), 255)
			b = append(b, byte(s.Dir)|byte(min(s.Gap, 3))<<1, byte(n))
			b = append(b, s.Data[:n]...)
		}
		f.Add(b, talk.Datagrams, talk.Peer)
	}
	f.Fuzz(func(t *testing.T, b []byte, datagrams bool, port uint16) {
		talk := &prototest.Talk{Datagrams: datagrams, Local: 40000, Peer: port}
		for len(b) >= 2 && len(talk.Steps) < 1000 {
			s := prototest.Step{Dir: proto.Dir(b[0] & 1), Gap: int64(b[0] >> 1 & 3), End: b[0] == 0xff}
			n := min(int(b[1]), len(b)-2)
			s.Data = append([]byte(nil), b[2:2+n]...)
			b = b[2+n:]
			talk.Steps = append(talk.Steps, s)
		}
		for _, e := range prototest.Run(All, proto.Options{}, talk, nil) {
			m := e.Body.(*event.Message)
			if m.Took < 0 || m.Bytes < 0 || m.End < m.Begin {
				t.Fatalf("impossible: %s", prototest.Line(e))
			}
		}
		if most := prototest.Most(All, talk); most > 64<<10 {
			t.Fatalf("%d bytes", most)
		}
	})
}
