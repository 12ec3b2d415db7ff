package pcapng_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/sink/pcapng"
	"github.com/pidwire/pidwire/internal/wire"
)

// need skips the test if a tool is not installed, unless PIDWIRE_MUST is set.
func need(t *testing.T, tool string) {
	t.Helper()
	_, err := exec.LookPath(tool)
	switch {
	case err == nil:
	case os.Getenv("PIDWIRE_MUST") != "":
		t.Fatalf("PIDWIRE_MUST is set: %v", err)
	default:
		t.Skip(err)
	}
}

// tool runs a tool and returns its output. The test fails if the tool prints errors, other
// than lines that start with one of said.
func tool(t *testing.T, name string, args []string, said ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	for line := range strings.Lines(errs.String()) {
		if !slices.ContainsFunc(said, func(s string) bool { return strings.HasPrefix(line, s) }) {
			t.Errorf("%s %v: %s", name, args, line)
		}
	}
	if err != nil {
		t.Fatalf("%s %v: %v", name, args, err)
	}
	return string(out)
}

const asRoot = "Running as user \"root\""

func save(t *testing.T, b []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "x.pcapng")
	if err := os.WriteFile(file, b, 0o666); err != nil {
		t.Fatal(err)
	}
	return file
}

func sampleOptions() pcapng.Options {
	return pcapng.Options{
		App: "pidwire 1.2", OS: "Linux 6.1", Hardware: "x86_64", Comment: "pidwire 1.2: curl", Filter: "udp port 53",
		Header: []byte("what the recording has"), Start: wall,
	}
}

// fields returns fields of each frame that matches a filter, as printed by tshark, one line per
// frame.
func fields(t *testing.T, file, filter string, names ...string) []string {
	t.Helper()
	args := []string{"-r", file, "-N", "n", "-T", "fields", "-E", "separator=|"}
	if filter != "" {
		args = append(args, "-Y", filter)
	}
	for _, n := range names {
		args = append(args, "-e", n)
	}
	out := tool(t, "tshark", args, asRoot)
	if out == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(out, "\n"), "\n")
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

// TestTshark checks that Wireshark shows packets and rows in order, and can filter by their
// fields.
func TestTshark(t *testing.T) {
	need(t, "tshark")
	file := save(t, write(t, sampleOptions(), sample()...))
	equal(t, "frames", fields(t, file, "", "frame.number", "frame.interface_name", "systemd_journal.message"), []string{
		"1||pidwire 1.2: curl",
		`2||no packets of \x1b old sockets`,
		"3||+++ exec /usr/bin/curl +++",
		`4||sendto(3, "aaaaa", 5, 0, NULL, 0) = 5 <500ns>`,
		`5||sendto(3, "aaaaa", 5, 0, NULL, 0) = -1 ECONNREFUSED (Connection refused) <500ns>`,
		"6||tcp CLOSE -> SYN_SENT  # connect",
		"7|curl[1234]|",
		"8||lost 3 events: ring buffer full",
		"9||lost 4 events: ring buffer full",
		"10|curl[1234]|",
		"11|curl[1234]|",
		"12||ARP, Unknown Hardware (0) (len 0), Unknown Protocol (0x0000) (len 0), length 28 (frame without IP)",
		"13|other|",
		"14||+++ exited with 0 +++",
		"15||1 record without a line",
	})
	equal(t, "packets", fields(t, file, "frame.interface_name", "frame.time_epoch", "frame.packet_id", "frame.p2p_dir", "frame.drop_count", "ip.src", "frame.len", "frame.cap_len"), []string{
		"1700000000.000300000|7|0||10.0.2.15|49|49",
		"1700000000.000500000|11|1|3|10.0.2.15|49|49",
		"1700000000.000600000|12|0||10.0.2.15|49|46",
		"1700000000.000800000|14|||10.0.2.15|49|49",
	})
	equal(t, "a process's packets", fields(t, file, `frame.interface_name == "curl[1234]"`, "frame.number"), []string{"7", "10", "11"})
	equal(t, "its description", fields(t, file, `frame.number == 7`, "frame.interface_description"), []string{"/usr/bin/curl"})
	equal(t, "comments", fields(t, file, `frame.comment contains "conn=c1" and frame.comment contains "how=sent"`, "frame.comment"), []string{
		"pid=1234 comm=curl conn=c1 match=exact how=sent seen=1000 sock=5283 if=2",
		"pid=1234 comm=curl conn=c1 match=table how=sent made=rst flags=wire nspid=7 sock=5283 if=2",
	})
	equal(t, "failed calls", fields(t, file, `systemd_journal.errno == 111`, "frame.number", "systemd_journal.pid", "systemd_journal.comm", "systemd_journal.syslog_id", "systemd_journal.priority"), []string{"5|1234|curl|syscall|4"})
	equal(t, "what a process did", fields(t, file, `systemd_journal.pid == 1234 or frame.interface_name == "curl[1234]"`, "frame.number"), []string{"3", "4", "5", "6", "7", "10", "11", "14"})
	equal(t, "a connection's rows", fields(t, file, `systemd_journal contains "PIDWIRE_CONN=c1"`, "frame.number"), []string{"6"})
	equal(t, "warnings", fields(t, file, `systemd_journal.priority <= 4`, "frame.number"), []string{"2", "5", "8", "9"})
	if bad := fields(t, file, "_ws.malformed or _ws.expert.severity >= 0x600000", "frame.number"); len(bad) > 0 {
		t.Errorf("tshark is not content with frames %q", bad)
	}
}

// TestTsharkNames checks that Wireshark reads the names of addresses.
func TestTsharkNames(t *testing.T) {
	need(t, "tshark")
	p := curl()
	p.Dir = wire.PacketIn
	// example.com A 192.0.2.7
	msg := "\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x07"
	recs := []wire.Record{
		packetRecord(p, udp("10.0.0.53:53", "10.0.2.15:40000", []byte(msg))),
		packetRecord(p, udp("192.0.2.7:443", "10.0.2.15:40000", []byte("x"))),
	}
	file := save(t, write(t, sampleOptions(), recs...))
	out := tool(t, "tshark", []string{"-r", file, "-N", "n", "-Y", "frame.number == 3", "-T", "fields", "-e", "ip.src_host"}, asRoot)
	if strings.TrimSpace(out) != "example.com" {
		t.Errorf("192.0.2.7 is %q", out)
	}
}

// TestTsharkLong checks that Wireshark reads rows of the maximum length.
func TestTsharkLong(t *testing.T) {
	need(t, "tshark")
	recs := []wire.Record{callRecord(100, 1, 500<<10, 500<<10)}
	small := nameRecord(wire.NameIface, 1, 1, "lo")
	for range 5000 {
		recs = append(recs, small)
	}
	file := save(t, write(t, sampleOptions(), append(recs, packetRecord(curl(), query))...))
	if n := len(fields(t, file, "", "frame.number")); n < 9 {
		t.Errorf("%d frames", n)
	}
}

// TestTsharkRecordings checks that Wireshark reads all of every recording.
func TestTsharkRecordings(t *testing.T) {
	need(t, "tshark")
	files, err := filepath.Glob("../../../testdata/rec/*-packets.pidwire")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d recordings: %v", len(files), err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out := fromRecording(t, b)
		want := 0
		for _, b := range blocks(t, out) {
			if b.kind == 6 || b.kind == 9 {
				want++
			}
		}
		if got := len(fields(t, save(t, out), "", "frame.number")); got != want {
			t.Errorf("%s: %d frames, want %d", file, got, want)
		}
	}
}

func TestCapinfos(t *testing.T) {
	need(t, "capinfos")
	out := tool(t, "capinfos", []string{save(t, write(t, sampleOptions(), sample()...))})
	for _, want := range []string{
		"Number of packets:   4\n", "Capture hardware:    x86_64\n", "Capture oper-sys:    Linux 6.1\n", "Capture application: pidwire 1.2\n",
		"Capture comment:     pidwire 1.2: curl\n", "Number of interfaces in file: 2\n", "Name = curl[1234]\n", "Filter string = udp port 53\n",
		"Number of stat entries = 1\n", "File timestamp precision:  nanoseconds (9)\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// TestTcpdump checks that tcpdump reads the packets of pcapng and pcap files.
func TestTcpdump(t *testing.T) {
	need(t, "tcpdump")
	var classic bytes.Buffer
	s, err := pcapng.NewPcap(&classic, 0)
	if err != nil {
		t.Fatal(err)
	}
	l := newTimeline()
	for _, r := range sample() {
		if err := s.Write(l.entry(r)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	file := save(t, write(t, sampleOptions(), sample()...))
	for direction, want := range map[string]int{"outbound": 2, "inbound": 2} {
		out := tool(t, "tcpdump", []string{"-nn", "-r", file, direction}, "reading from file ")
		if n := strings.Count(out, "\n"); n != want {
			t.Errorf("%s: %d packets, want %d", direction, n, want)
		}
	}
	empty := write(t, pcapng.Options{PacketsOnly: true})
	for name, c := range map[string]struct {
		file []byte
		want int
	}{
		"pcapng": {write(t, sampleOptions(), sample()...), 4}, "by device": {write(t, pcapng.Options{ByDevice: true}, sample()...), 4},
		"pcap": {classic.Bytes(), 4}, "nothing": {empty, 0},
	} {
		out := tool(t, "tcpdump", []string{"-nn", "--nano", "-tt", "-r", save(t, c.file)}, "reading from file ")
		lines := strings.Count(out, "\n")
		if lines != c.want || c.want > 0 && !strings.HasPrefix(out, "1700000000.000300000 IP 10.0.2.15.40000 > 10.0.0.53.5300: ") {
			t.Errorf("%s: %d lines, want %d\n%s", name, lines, c.want, out)
		}
	}
}
