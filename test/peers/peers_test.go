//go:build linux

// Package peers runs real clients and servers, and compares pidwire's messages with what tshark finds in the packets of the same run.
//
//	go test ./test/peers -update           writes docs/messages.md
//	go test ./test/peers -keep DIR         leaves recordings and captures there
package peers

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	update  = flag.Bool("update", false, "write docs/messages.md again")
	keep    = flag.String("keep", "", "leave recordings and captures in this directory")
	pidwire string
	goOnce  sync.Once
	goErr   error
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "3"); err != nil { // they mostly wait
		panic(err)
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "peers")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		pidwire = filepath.Join(dir, "pidwire")
		cmd := exec.Command("go", "build", "-o", pidwire, "../../cmd/pidwire")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is shipped
		if out, err := cmd.CombinedOutput(); err != nil {
			panic(fmt.Sprintf("%v: %s", err, out))
		}
		return m.Run()
	}())
}

// goPrograms is the file of the programs of the module testdata/go, whose clients and servers are Go libraries.
func goPrograms() string { return filepath.Join(filepath.Dir(pidwire), "gopeers") }

// buildGo builds them, which takes a minute the first time.
func buildGo(t *testing.T) {
	goOnce.Do(func() {
		cmd := exec.Command("go", "build", "-o", goPrograms(), ".")
		cmd.Dir = "testdata/go"
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			goErr = fmt.Errorf("%v: %s", err, out)
		}
	})
	if goErr != nil {
		t.Fatal(goErr)
	}
}

// peer is a client and its server.
type peer struct {
	name     string
	client   string   // a program and how to ask for its version, for the table
	server   string   // the same
	also     string   // more programs that it needs
	must     bool     // test/run installs it
	ports    []int    // of the servers
	decode   []string // flags of tshark
	start    func(*room)
	script   string // the client, for sh
	exit     int
	protos   []string  // which are compared
	called   [2]string // client and server in the table, where their programs' names do not tell
	sure     string    // a message that there must be, so that the script does what it is for
	limit    time.Duration
	unusable string // why this peer is not run: there is no server
	until    string // the program whose presence would make that untrue
}

func TestPeers(t *testing.T) {
	must := os.Getenv("PIDWIRE_MUST") != ""
	if os.Geteuid() != 0 {
		if must {
			t.Fatal("needs root")
		}
		t.Skip("needs root")
	}
	for _, need := range []string{"tshark", "tcpdump", "unshare", "nsenter", "ip", "setpriv"} {
		if _, err := exec.LookPath(need); err != nil {
			if must {
				t.Fatalf("%s is not installed", need)
			}
			t.Skipf("%s is not installed", need)
		}
	}
	// The rows of each peer, in the order of the list: several peers run at a time.
	table := make([][]row, len(peers))
	t.Run("peers", func(t *testing.T) {
		for i := range peers {
			p := &peers[i]
			if p.unusable != "" {
				// It is a row, and no test: that says so itself as soon as it could be one.
				if at, err := exec.LookPath(p.until); err == nil {
					t.Errorf("%s is there: %s can be run, which is not because %s", at, p.name, p.unusable)
				}
				table[i] = p.without(p.unusable)
				continue
			}
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				if missing := p.missing(); missing != "" {
					table[i] = p.without("not run: " + missing + " is not installed")
					if must && p.must {
						t.Fatalf("%s is not installed", missing)
					}
					t.Skipf("%s is not installed", missing)
				}
				table[i] = p.run(t)
			})
		}
	})
	var text bytes.Buffer
	text.WriteString(head(t))
	for i := range table {
		for _, r := range table[i] {
			fmt.Fprintln(&text, r)
		}
	}
	t.Logf("\n%s", text.String())
	if only := flag.Lookup("test.run").Value.String(); strings.Contains(only, "/") {
		return // not all rows
	}
	const file = "../../docs/messages.md"
	if *update {
		if t.Failed() {
			t.Fatal("not written")
		}
		if err := os.WriteFile(file, text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	written, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	compareTables(t, string(written), table)
}

// programs returns the names of the programs that a peer needs.
func (p *peer) programs() []string {
	list := []string{strings.Fields(p.client)[0]}
	if p.server != "" {
		list = append(list, strings.Fields(p.server)[0])
	}
	return append(list, strings.Fields(p.also)...)
}

// missing returns a program that is not installed; "" if all are.
func (p *peer) missing() string {
	for _, name := range p.programs() {
		if _, err := exec.LookPath(name); err != nil {
			if found, _ := filepath.Glob(name); len(found) == 0 {
				return name
			}
		}
	}
	return ""
}

var number = regexp.MustCompile(`v?\d+(\.[0-9A-Za-z]+)+`)

// version asks a program for its version, as in "curl --version"; "go @ PATH" is a module of testdata/go.
func version(command string) string {
	f := strings.Fields(command)
	switch {
	case len(f) < 2:
		return ""
	case f[1] == "@":
		b, _ := os.ReadFile("testdata/go/go.mod")
		for line := range strings.Lines(string(b)) {
			if m := strings.Fields(line); len(m) > 1 && m[0] == f[2] {
				v, _, _ := strings.Cut(m[1], "-")
				return v
			}
		}
		return ""
	}
	if found, _ := filepath.Glob(f[0]); len(found) > 0 {
		f[0] = found[len(found)-1]
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	out, _ := exec.CommandContext(ctx, f[0], f[1:]...).CombinedOutput()
	return number.FindString(string(out))
}

// titles returns the client and the server as the table has them.
func (p *peer) titles() (list [2]string) {
	for i, command := range []string{p.client, p.server} {
		f := strings.Fields(command)
		switch {
		case p.called[i] != "":
			list[i] = p.called[i]
		case len(f) > 2 && f[1] == "@":
			list[i] = filepath.Base(f[2])
		case len(f) > 0:
			list[i] = filepath.Base(f[0])
		}
	}
	return list
}

// without returns the rows of a peer that is not run.
func (p *peer) without(why string) (rows []row) {
	names := p.titles()
	for _, name := range p.protos {
		rows = append(rows, row{peer: p.name, proto: name, client: names[0], server: names[1], verdict: why})
	}
	return rows
}

// run runs a peer and compares.
func (p *peer) run(t *testing.T) (rows []row) {
	if strings.HasPrefix(p.client, "go ") {
		buildGo(t)
	}
	r := newRoom(t, cmp.Or(p.limit, limit))
	p.start(r)
	recording, capture := r.watch(p.script, p.exit)
	if *keep != "" {
		dir := filepath.Join(*keep, p.name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, f := range []string{recording, capture} {
			b, err := os.ReadFile(f)
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, filepath.Base(f)), b, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	frames := dissect(t, capture, p.ports, p.decode)
	calls := messages(t, recording, p.ports)
	packets := messages(t, capture, p.ports)
	names := p.titles()
	client, server := strings.TrimSpace(names[0]+" "+version(p.client)), strings.TrimSpace(names[1]+" "+version(p.server))
	for _, name := range p.protos {
		o := oracles[name]
		if o == nil {
			t.Errorf("no oracle for %s", name)
			continue
		}
		w := row{peer: p.name, proto: name, client: client, server: server, fields: o.fields, verdict: "agrees"}
		truth := o.truth(frames)
		views := []struct {
			what  string
			list  []said
			count *[3]int
		}{
			{"from calls of the client", o.shown(calls, true), &w.calls},
			{"from calls of the server", o.shown(calls, false), &w.serverCalls},
			{"from packets", o.shown(packets, true), &w.packets},
		}
		w.truth = count(truth)
		if len(truth) == 0 {
			t.Errorf("%s: tshark finds none", name)
		}
		if p.sure != "" && !slices.ContainsFunc(truth, func(s said) bool { return strings.Contains(s.String(), p.sure) }) {
			t.Errorf("%s: tshark finds no %q in %s", name, p.sure, join(truth))
		}
		for _, v := range views {
			*v.count = count(v.list)
			if diff := difference(truth, v.list); diff != "" {
				w.verdict = "DIFFERS"
				t.Errorf("%s: pidwire's messages %s are not tshark's:\n%s", name, v.what, diff)
			}
		}
		rows = append(rows, w)
	}
	// What no parser could read would be missing above only if tshark can read it.
	for _, m := range slices.Concat(calls, packets) {
		if m.proto == "unknown" && m.onPort(p.ports) {
			t.Errorf("%s: a message is unknown: %v", p.name, m.fields)
		}
	}
	return rows
}

// row is a line of the table.
type row struct {
	peer, proto, client, server, fields, verdict string
	truth, calls, serverCalls, packets           [3]int // requests, answers, notices
}

func (r row) String() string {
	n := func(c [3]int) string { return fmt.Sprintf("%d / %d / %d", c[0], c[1], c[2]) }
	if r.fields == "" {
		return fmt.Sprintf("| %s | %s | %s | %s | | | | | | %s |", r.peer, r.proto, r.client, r.server, r.verdict)
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |", r.peer, r.proto, r.client, r.server, n(r.truth), n(r.calls), n(r.serverCalls), n(r.packets), r.fields, r.verdict)
}

// key is what of a row does not depend on the machine: versions and the numbers of messages do.
func key(line string) string {
	f := strings.Split(line, " | ")
	if len(f) < 10 {
		return line
	}
	name := func(s string) string {
		return strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(s), number.FindString(s)))
	}
	return strings.Join([]string{f[0], f[1], name(f[2]), name(f[3]), f[8], f[9]}, "|")
}

func head(t *testing.T) string {
	out := output(t, "tshark", "--version")
	return fmt.Sprintf(`# Messages compared with tshark's

Each row is a run of a real client with a real server on loopback, in a network namespace of its own. pidwire watches both, and tcpdump captures
the packets. The messages that pidwire makes of the client's calls, of the server's calls and of the packets alone must be those that tshark finds in
the packets: as many requests and answers, each with the same fields. A cell is requests / answers / notices, which are neither asked for nor answered.

Written by `+"`go test ./test/peers -update`"+` with tshark %s. The test compares all columns but versions and numbers.

| peer | protocol | client | server | tshark | client's calls | server's calls | packets | fields | verdict |
|---|---|---|---|---|---|---|---|---|---|
`, number.FindString(string(out)))
}

// compareTables compares the rows with those in the file: what is run must be there and say the same.
func compareTables(t *testing.T, written string, table [][]row) {
	t.Helper()
	lines := map[string]bool{}
	for line := range strings.Lines(written) {
		lines[key(strings.TrimSpace(line))] = true
	}
	for _, rows := range table {
		for _, r := range rows {
			if !strings.HasPrefix(r.verdict, "not run") && !lines[key(r.String())] {
				t.Errorf("docs/messages.md does not have this row; write it with -update:\n%s", r)
			}
		}
	}
}
