//go:build linux

package live

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// said returns the messages in the lines of a run, without the columns before them and their times.
func said(lines string) (list []string) {
	for _, m := range regexp.MustCompile(`(?m) msg  (.*?)(?:  # [0-9.]+ [nmu]?s.*)?$`).FindAllStringSubmatch(lines, -1) {
		list = append(list, m[1])
	}
	return list
}

// TestMessages checks that messages are found whatever calls move them, also behind a large body, on both
// ends, and that the recording has them.
func TestMessages(t *testing.T) {
	needRoot(t)
	widths := []string{"64"}
	if runtime.GOARCH == "amd64" {
		widths = append(widths, "32")
	}
	for _, bits := range widths {
		t.Run(bits, func(t *testing.T) {
			prog, file := build(t, "beyond_said", bits), t.TempDir()+"/said.pidwire"
			want := []string{
				"> HTTP GET /a/path/that/is/longer/than/what/is/shown?of=a&string=by&default=x  host=pidwire.test:8080",
				"< HTTP GET /a/path/that/is/longer/than/what/is/shown?of=a&string=by&default=x  host=pidwire.test:8080",
				"> HTTP 200  application/x-pidwire-test; with=a-long-header 97.7 KiB",
				"< HTTP 200  application/x-pidwire-test; with=a-long-header 97.7 KiB",
				"> HTTP GET /again  host=pidwire.test", "< HTTP GET /again  host=pidwire.test",
				"> HTTP 503 Service Unavailable  2 B", "< HTTP 503 Service Unavailable  2 B",
				"> DNS A? www.pidwire.test", "> DNS AAAA? www.pidwire.test", "< DNS A? www.pidwire.test", "> DNS A www.pidwire.test  NXDOMAIN",
				"< DNS AAAA? www.pidwire.test", "> DNS AAAA www.pidwire.test  NXDOMAIN",
			}
			check := func(what string, got []string) {
				t.Helper()
				for _, w := range want {
					n := 0
					for _, g := range got {
						if g == w || strings.HasPrefix(g, w+" server=") {
							n++
						}
					}
					if n != 1 {
						t.Errorf("%s: %d times %q in\n%s", what, n, w, strings.Join(got, "\n"))
					}
				}
			}
			// Both ends of a connection are watched: the child serves.
			live := run(t, "trace", "-q", "-l", "sys,msg", "-w", file, "--print", "-o", "-", "--", prog)
			check("live", said(live))
			check("recorded", said(run(t, "open", "-q", "-l", "sys,msg", file)))
			if got := said(run(t, "trace", "-q", "-l", "sys,msg", "--payload", "none", "-o", "-", "--", prog)); strings.Contains(strings.Join(got, "\n"), "pidwire.test") {
				t.Errorf("without payload:\n%s", strings.Join(got, "\n"))
			}
		})
	}
}

// spent is a message with its budget, as JSON has it.
type spent struct {
	Type    string `json:"type"`
	Message struct {
		Kind      string           `json:"kind"`
		Direction string           `json:"direction"`
		Group     string           `json:"group"`
		Part      string           `json:"part"`
		Took      int64            `json:"duration_ns"`
		Budget    map[string]int64 `json:"budget_ns"`
		Resent    int64            `json:"retransmit_ns"`
	} `json:"message"`
	Network struct {
		Transport string `json:"transport"`
		Protocol  struct {
			Name string `json:"name"`
		} `json:"protocol"`
	} `json:"network"`
}

// budgets returns the answers in JSON lines, by their direction and what they answer.
func budgets(t *testing.T, lines string) map[string]spent {
	t.Helper()
	list := map[string]spent{}
	for line := range strings.Lines(lines) {
		var m spent
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if m.Type != "message" || m.Message.Kind != "answer" || m.Message.Part == "head" {
			continue
		}
		sum := int64(0)
		for share, n := range m.Message.Budget {
			if sum += n; n < 0 {
				t.Errorf("%s: %s is %d ns", m.Message.Group, share, n)
			}
		}
		if sum != m.Message.Took {
			t.Errorf("%s: the parts are %d ns, the whole %d", m.Message.Group, sum, m.Message.Took)
		}
		list[m.Message.Direction+" "+m.Message.Group] = m
	}
	return list
}

// wholes returns the messages about the connections of TCP in JSON lines.
func wholes(t *testing.T, lines string) (list []spent) {
	t.Helper()
	for line := range strings.Lines(lines) {
		var m spent
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if m.Network.Protocol.Name != "conn" || m.Network.Transport != "tcp" {
			continue
		}
		sum := int64(0)
		for _, n := range m.Message.Budget {
			sum += n
		}
		if sum != m.Message.Took {
			t.Errorf("a connection: the parts are %d ns, the whole %d", sum, m.Message.Took)
		}
		list = append(list, m)
	}
	return list
}

// near checks a share in ns.
func near(t *testing.T, what string, got, want int64) {
	t.Helper()
	within := max(want/10, 2_000_000)
	if built != "" {
		within = want / 2 // emulation stops each of the processes for tens of milliseconds
	}
	if off := max(got-want, want-got); off > within {
		t.Errorf("%s is %d ns, the truth is %d", what, got, want)
	}
}

// TestBudgetOfPath checks the time that a path takes, with a request that is lost and sent again.
func TestBudgetOfPath(t *testing.T) {
	needRoot(t)
	prog := build(t, "beyond_path", "64")
	var said strings.Builder
	cmd := exec.Command(pidwire, "trace", "-q", "-l", "msg", "--json", "-o", t.TempDir()+"/lines", "--", prog)
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, said.String())
	}
	var connect, paths, last, lost int64
	for line := range strings.Lines(said.String()) {
		what, us, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.ParseInt(us, 10, 64)
		switch {
		case err != nil:
			t.Fatalf("%q: %v", line, err)
		case what == "connect":
			connect = n * 1000
		case what == "path":
			last = n * 1000
			paths += last
		case what == "lost":
			lost = n * 1000
		}
	}
	const trip = 20_000_000
	if connect < trip || paths < 3*trip || lost < trip {
		t.Fatalf("the path has not held what it should: %s", said.String())
	}
	lines, err := os.ReadFile(cmd.Args[slices.Index(cmd.Args, "-o")+1])
	if err != nil {
		t.Fatal(err)
	}
	list := budgets(t, string(lines))
	near(t, "the third round trip", list["in GET /path"].Message.Budget["network"], last)
	m := list["in GET /lost"].Message
	near(t, "the network with a loss", m.Budget["network"], trip+lost)
	near(t, "the loss", m.Resent, lost)
	clients := 0
	for _, c := range wholes(t, string(lines)) {
		if m := c.Message; m.Budget["connect"] > m.Took/100 {
			clients++
			near(t, "connect", m.Budget["connect"], connect)
			near(t, "the network of the connection", m.Budget["network"], paths+trip+lost)
			near(t, "what was lost on the connection", m.Resent, lost)
		}
	}
	if clients != 1 {
		t.Errorf("%d connections were made", clients)
	}
}

// TestBudget checks what the time of exchanges is divided into, by programs that know it.
func TestBudget(t *testing.T) {
	needRoot(t)
	prog, file := build(t, "beyond_budget", "64"), t.TempDir()+"/budget.pidwire"
	var said strings.Builder
	cmd := exec.Command(pidwire, "trace", "-q", "-l", "sys,pkt,msg", "-w", file, "--", prog)
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, said.String())
	}
	truth := map[string]int64{}
	for line := range strings.Lines(said.String()) {
		what, us, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.ParseInt(us, 10, 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		truth[what] = n * 1000
	}
	list := budgets(t, run(t, "open", "-q", "-l", "msg", "--json", file))
	for _, test := range []struct{ exchange, share, as string }{
		{"in GET /slow", "peer", "slow"}, {"out GET /slow", "own", "slow"},
		{"in GET /late", "queue", "late"}, {"in PUT /full", "send", "full"},
	} {
		m, ok := list[test.exchange]
		if !ok {
			t.Errorf("no %s in\n%s", test.exchange, run(t, "open", "-q", "-l", "msg", file))
			continue
		}
		got, want := m.Message.Budget[test.share], truth[test.as]
		near(t, test.exchange+": "+test.share, got, want)
		if m.Message.Budget["unknown"] != 0 {
			t.Errorf("%s: unknown, with all layers: %v", test.exchange, m.Message.Budget)
		}
	}
	conns := wholes(t, run(t, "open", "-q", "-l", "msg", "--json", file))
	if len(conns) != 2 {
		t.Errorf("%d connections", len(conns))
	}
	for _, c := range conns {
		b := c.Message.Budget
		if b["unknown"] != 0 {
			t.Errorf("unknown, with all layers: %v", b)
		}
		if b["connect"] > 0 { // the client
			near(t, "peer of the connection", b["peer"]+b["queue"]+b["transfer"], truth["slow"]+truth["late"])
			near(t, "send of the connection", b["send"], truth["full"])
		}
	}
	if n := list["out PUT /full"].Message.Budget["queue"]; n < truth["full"]/2 {
		t.Errorf("the server read late: queue is %d ns: %v", n, list["out PUT /full"].Message.Budget)
	}
	// Without packets, what only they tell is unknown.
	if err := exec.Command(pidwire, "trace", "-q", "-l", "sys,msg", "-w", file, "--", prog).Run(); err != nil {
		t.Fatal(err)
	}
	calls := budgets(t, run(t, "open", "-q", "-l", "msg", "--json", file))
	for name, m := range calls {
		for _, share := range []string{"network", "peer", "transfer", "queue"} {
			if m.Message.Budget[share] != 0 {
				t.Errorf("%s without packets: %v", name, m.Message.Budget)
			}
		}
	}
	if len(calls) != 6 || len(list) != 6 {
		t.Errorf("%d and %d answers", len(calls), len(list))
	}
}
