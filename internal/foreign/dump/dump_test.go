package dump_test

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/decode/pkt"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/foreign/dump"
	"github.com/pidwire/pidwire/internal/sink/tcpdump"
)

var update = flag.Bool("update", false, "write the golden file")

// again returns the packet of a line in the format of tcpdump, or the kind of another line.
func again(r *dump.Reader, d *pkt.Decoder, line string) string {
	var l dump.Line
	r.Read([]byte(line), &l)
	switch l.Kind {
	case dump.Packet:
		var p event.Packet
		d.Packet(l.Data, l.Len, &p)
		return string(tcpdump.Append(nil, &p, &tcpdump.Options{Name: r.Name, AbsoluteSeq: r.Absolute}))
	case dump.Bad:
		return "bad: " + l.Why
	}
	return l.Kind.String()
}

// TestSample parses the output of tcpdump 3.9 for an emulator on a real machine.
func TestSample(t *testing.T) {
	const sample, golden = "../../../testdata/emulator/emulator.tcpdump", "testdata/emulator.modern.txt"
	b, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	var r dump.Reader
	d := pkt.New()
	var out bytes.Buffer
	kinds := map[dump.Kind]int{}
	numbers := map[dump.Kind]uint64{}
	for _, line := range strings.Split(strings.TrimSuffix(string(b), "\n"), "\n") {
		var l dump.Line
		r.Read([]byte(line), &l)
		kinds[l.Kind]++
		numbers[l.Kind] += l.Count
		switch l.Kind {
		case dump.Packet:
			if !l.Old || l.Form != dump.TimeOfDay {
				t.Errorf("%q: old %v, time of form %v", line, l.Old, l.Form)
			}
			var p event.Packet
			d.Packet(l.Data, l.Len, &p)
			fmt.Fprintf(&out, "%d %s\n", l.Time, tcpdump.Append(nil, &p, &tcpdump.Options{Name: r.Name}))
		case dump.Header:
			if strings.HasPrefix(line, "listening") && string(l.Iface) != "bond0" {
				t.Errorf("the interface is %q", l.Iface)
			}
		}
	}
	want := map[dump.Kind]int{dump.Packet: 21, dump.Header: 2, dump.Gap: 1, dump.Captured: 1, dump.Received: 1, dump.Dropped: 1}
	if fmt.Sprint(kinds) != fmt.Sprint(want) {
		t.Errorf("lines are %v, want %v", kinds, want)
	}
	if numbers[dump.Captured] != 85 || numbers[dump.Received] != 171 || numbers[dump.Dropped] != 0 {
		t.Errorf("numbers are %v", numbers)
	}
	wantNames := []dump.Name{{Name: "DEV-Blur-DB-1.s3lab.mot.com", Addr: netip.MustParseAddr("192.0.2.1")}}
	if got := r.Names(); !slices.Equal(got, wantNames) {
		t.Errorf("names are %v, want %v", got, wantNames)
	}
	if *update {
		if err := os.WriteFile(golden, out.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(text) {
		t.Errorf("got\n%s\nwant\n%s", out.String(), text)
	}
}

// TestSampleOracle compares the packets of the sample with the output of tcpdump for them.
func TestSampleOracle(t *testing.T) {
	needTcpdump(t)
	b, err := os.ReadFile("../../../testdata/emulator/emulator.tcpdump")
	if err != nil {
		t.Fatal(err)
	}
	var r dump.Reader
	le := binary.LittleEndian
	file := le.AppendUint32(nil, 0xa1b2c3d4)
	file = append(file, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, pkt.LinkRaw, 0, 0, 0)
	for _, line := range strings.Split(string(b), "\n") {
		var l dump.Line
		if r.Read([]byte(line), &l); l.Kind == dump.Packet {
			file = le.AppendUint32(file, uint32(l.Time/1e9))
			file = le.AppendUint32(file, uint32(l.Time%1e9/1000))
			file = le.AppendUint32(file, uint32(len(l.Data)))
			file = append(le.AppendUint32(file, l.Len), l.Data...)
		}
	}
	name := filepath.Join(t.TempDir(), "sample.pcap")
	if err := os.WriteFile(name, file, 0o666); err != nil {
		t.Fatal(err)
	}
	golden, err := os.ReadFile("testdata/emulator.modern.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(string(golden)), "\n")
	for i, got := range theirLines(t, name, "-nn", "-t") {
		_, w, _ := strings.Cut(want[i], " ")
		if got = strings.ReplaceAll(got, "192.0.2.1.", "DEV-Blur-DB-1.s3lab.mot.com."); got != w {
			t.Errorf("packet %d\n got %q\nwant %q", i+1, got, w)
		}
	}
}

// TestTime parses each format of time.
func TestTime(t *testing.T) {
	const s, ns = 1_000_000_000, 1
	for _, c := range []struct {
		text string
		form dump.Form
		time int64
	}{
		{"", dump.NoTime, 0},
		{"08:01:30.963078 ", dump.TimeOfDay, (8*3600+90)*s + 963078000},
		{"23:59:60.000000 ", dump.TimeOfDay, 86400 * s},
		{"08:01:30.963078123 ", dump.TimeOfDay, (8*3600+90)*s + 963078123},
		{"1700000000.000001 ", dump.Epoch, 1700000000*s + 1000},
		{"1700000000.000000001 ", dump.Epoch, 1700000000*s + 1*ns},
		{" 00:00:00.000123 ", dump.Delta, 123000},
		{"-00:00:01.000123 ", dump.Delta, -1*s - 123000},
		{" 100:00:00.000000001 ", dump.Delta, 360000*s + 1},
		{"000123 ", dump.Delta, 123000},
		{"5. 000123 ", dump.Delta, 5*s + 123000},
		{"2009-03-26 08:01:30.963078 ", dump.Date, 1238054490*s + 963078000},
		{"2000-02-29 00:00:00.000000 ", dump.Date, 951782400 * s},
		{"1969-12-31 23:59:59.000000001 ", dump.Date, -1*s + 1},
		{"    1  08:01:30.963078 ", dump.TimeOfDay, (8*3600+90)*s + 963078000},
		{"12345   00:00:00.000123 ", dump.Delta, 123000},
		{"    7  ", dump.NoTime, 0},
	} {
		var r dump.Reader
		var l dump.Line
		r.Read([]byte(c.text+"IP 10.0.0.1.1 > 10.0.0.2.2: UDP, length 3"), &l)
		if l.Kind != dump.Packet || l.Form != c.form || l.Time != c.time {
			t.Errorf("%q: %v of form %v at %d, want %v at %d", c.text, l.Kind, l.Form, l.Time, c.form, c.time)
		}
	}
	for _, text := range []string{
		"08:01:30.96307 ", "08:61:30.963078 ", "8:1:30.963078 ", "2009-13-26 08:01:30.963078 ", "99999999999.000000 ",
		"2009-03-26 ", "12345678901234567890123.000000 ", "1.5 ", " ",
	} {
		var r dump.Reader
		var l dump.Line
		r.Read([]byte(text+"IP 10.0.0.1.1 > 10.0.0.2.2: UDP, length 3"), &l)
		if l.Kind != dump.Unknown {
			t.Errorf("%q: %v", text, l.Kind)
		}
	}
}

// TestKinds parses lines that are not IP packets, and the text before packets.
func TestKinds(t *testing.T) {
	const udp = "IP 10.0.0.1.1 > 10.0.0.2.2: UDP, length 3"
	const at = "08:01:30.963078 "
	for _, c := range []struct {
		line  string
		kind  dump.Kind
		count uint64
		iface string
		dir   dump.Dir
	}{
		{line: "tcpdump: verbose output suppressed, use -v or -vv for full protocol decode", kind: dump.Header},
		{line: "listening on bond0, link-type EN10MB (Ethernet), capture size 96 bytes", kind: dump.Header, iface: "bond0"},
		{line: "tcpdump: listening on any, link-type LINUX_SLL2 (Linux cooked v2), snapshot length 262144 bytes", kind: dump.Header, iface: "any"},
		{line: "reading from file a.pcap, link-type RAW (Raw IP), snapshot length 262144", kind: dump.Header},
		{line: "...", kind: dump.Gap},
		{line: "85 packets captured", kind: dump.Captured, count: 85},
		{line: "1 packet captured", kind: dump.Captured, count: 1},
		{line: "171 packets received by filter", kind: dump.Received, count: 171},
		{line: "0 packets dropped by kernel", kind: dump.Dropped},
		{line: "18446744073709551615 packets dropped by interface", kind: dump.DroppedIf, count: 1<<64 - 1},
		{line: "18446744073709551616 packets captured"},
		{line: "5 packets eaten"},
		{line: ""},
		{line: "\t0x0000:  4500 0000"},
		{line: "IP"},
		{line: "IP "},
		{line: "some words"},
		{line: "mail from a > b: 5"},
		{line: at + "ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28", kind: dump.Other},
		{line: "ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28", kind: dump.Other},
		{line: at + "IP  [|ip]", kind: dump.Other},
		{line: at + "02:00:00:00:ab:02 > 02:00:00:00:00:01, ethertype ARP (0x0806), length 60: Request who-has 10.0.0.2 tell 10.0.0.1, length 46", kind: dump.Other},
		{line: at + udp, kind: dump.Packet},
		{line: at + udp + "\r", kind: dump.Packet},
		{line: at + "eth0  In  " + udp, kind: dump.Packet, iface: "eth0", dir: dump.In},
		{line: at + "lo    Out " + udp, kind: dump.Packet, iface: "lo", dir: dump.Out},
		{line: at + "wlp0s20f3 M   " + udp, kind: dump.Packet, iface: "wlp0s20f3", dir: dump.In},
		{line: at + "?     ?   " + udp, kind: dump.Packet},
		{line: at + "In " + udp, kind: dump.Packet, dir: dump.In},
		{line: at + " In " + udp, kind: dump.Packet, dir: dump.In},
		{line: at + "Out " + udp, kind: dump.Packet, dir: dump.Out},
		{line: at + "eth0  In  ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28", kind: dump.Other, iface: "eth0", dir: dump.In},
		{line: at + "02:00:00:00:ab:02 > 02:00:00:00:00:01, ethertype IPv4 (0x0800), length 60: 10.0.0.1.1 > 10.0.0.2.2: UDP, length 3", kind: dump.Packet},
		{line: at + "02:00:00:00:ab:02 (oui Unknown) > Broadcast, ethertype IPv4 (0x0800), length 60: IP 10.0.0.1.1 > 10.0.0.2.2: UDP, length 3", kind: dump.Packet},
		{line: at + "eth0  In  ifindex 2 02:00:00:00:00:01 ethertype IPv4 (0x0800), length 51: 10.0.0.1.1 > 10.0.0.2.2: UDP, length 3", kind: dump.Packet, iface: "eth0", dir: dump.In},
		{line: at + "02:00:00:00:ab:02 > 02:00:00:00:00:01, ethertype 802.1Q (0x8100), length 60: vlan 5, p 1, DEI, ethertype IPv4, 10.0.0.1.1 > 10.0.0.2.2: UDP, length 3", kind: dump.Packet},
		{line: at + "10.0.0.1.1 > 10.0.0.2.2: udp 3", kind: dump.Packet},
		{line: at + "trixie.example.1 > sources.example.2: udp 3 (DF)", kind: dump.Packet},
		{line: at + "trixie.example.1 > sources.example.2: something else", kind: dump.Other},
		{line: at + "eth0 < 10.0.0.1.1 > 10.0.0.2.2: udp 3", kind: dump.Packet, iface: "eth0", dir: dump.In},
		{line: at + "eth0 > trixie.1 > sources.2: udp 3", kind: dump.Packet, iface: "eth0", dir: dump.Out},
		{line: strings.Repeat("x", 1<<16+1), kind: dump.Bad},
	} {
		var r dump.Reader
		var l dump.Line
		r.Read([]byte(c.line), &l)
		if l.Kind != c.kind || l.Count != c.count || string(l.Iface) != c.iface || l.Dir != c.dir {
			t.Errorf("%.100q: %v, count %d, interface %q, direction %d", c.line, l.Kind, l.Count, l.Iface, l.Dir)
		}
		if l.Kind == dump.Packet && (l.Len != 31 || len(l.Data) != 28 || binary.BigEndian.Uint16(l.Data[24:]) != 11) {
			t.Errorf("%.100q: %x of %d", c.line, l.Data, l.Len)
		}
	}
}

// notations has a line in each format, and its packet printed again up to the first unknown field;
// "=" means the same text.
var notations = []struct{ line, want string }{
	// TCP, tcpdump 4.
	{"IP 10.0.2.15.48448 > 10.0.0.5.80: Flags [P.], seq 1:79, ack 1, win 64, options [nop,nop,TS val 1 ecr 2], length 78: HTTP: GET / HTTP/1.1",
		"IP 10.0.2.15.48448 > 10.0.0.5.80: Flags [P.], seq 1:79, ack 1, win 64, options [nop,nop,TS val 1 ecr 2], length 78: HTTP"},
	{"IP6 ::1.5 > ::1.6: Flags [FSRP.UEW], seq 7:9, ack 1, win 64, urg 5, length 2", "="},
	{"IP6 ::1.2.3.4.5 > ::ffff:1.2.3.4.6: Flags [none], win 1, length 0", "="},
	{"IP6 2001:db8:1::.5 > fe80::.6: Flags [R], seq 7, win 1, length 0", "="},
	{"IP 10.0.2.15.1 > 10.0.0.5.2: Flags [.] [bad hdr length 60 - too long, > 20]", "="},
	{"IP 10.0.2.15.1 > 10.0.0.5.2: Flags [S], cksum 0x59ff (incorrect -> 0x1234), seq 123, win 64240, options [mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7], length 0",
		"IP 10.0.2.15.1 > 10.0.0.5.2: Flags [S], seq 123, win 64240, options [mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7], length 0"},
	{"IP (tos 0x10, ttl 64, id 4711, offset 0, flags [DF], proto TCP (6), length 41) 10.0.2.15.1 > 10.0.0.5.2: Flags [.], seq 1:2, ack 1, win 5, length 1",
		"IP 10.0.2.15.1 > 10.0.0.5.2: Flags [.], seq 1:2, ack 1, win 5, length 1"},
	{"IP 10.0.2.15.1 > 10.0.0.5.2: Flags [.], seq 1:2, ack 1, win 5, length 65536", "bad: too long for an IP packet"},
	{"IP 10.0.2.15.1 > 10.0.0.5.2: tcp 5", "IP 10.0.2.15.1 > 10.0.0.5.2:  [|tcp]"},
	{"IP 10.0.2.15.1 > 10.0.0.5.2: Flags [x], seq 1", "bad: unreadable TCP header"},
	// TCP, tcpdump 3.
	{"IP 10.0.2.15.1 > 10.0.0.5.2: S 2339214547:2339214547(0) win 5840 <mss 1460,sackOK,timestamp 3879708500 0,nop,wscale 7>",
		"IP 10.0.2.15.1 > 10.0.0.5.2: Flags [S], seq 2339214547, win 5840, options [mss 1460,sackOK,TS val 3879708500 ecr 0,nop,wscale 7], length 0"},
	{"IP 10.0.2.15.1 > 10.0.0.5.2: P 1:208(207) ack 1 win 46 urg 3 <nop,nop,sack sack 1 {5:9} >",
		"IP 10.0.2.15.1 > 10.0.0.5.2: Flags [P.U], seq 1:208, ack 1, win 46, urg 3, options [nop,nop,sack 1 {5:9}], length 207"},
	{"IP 10.0.2.15.1 > 10.0.0.5.2: . ack 1 win 46", "IP 10.0.2.15.1 > 10.0.0.5.2: Flags [.], ack 1, win 46, length 0"},
	{"IP 10.0.2.15.1 > 10.0.0.5.2: . 1:5(4) ack 1 win 46", "IP 10.0.2.15.1 > 10.0.0.5.2: Flags [.], seq 1:5, ack 1, win 46, length 4"},
	{"IP 10.0.2.15.1 > 10.0.0.5.2: FP 1:5(4) ack 1 win 46", "IP 10.0.2.15.1 > 10.0.0.5.2: Flags [FP.], seq 1:5, ack 1, win 46, length 4"},
	{"IP 10.0.2.15.1 > 10.0.0.5.2: R 77:77(0) win 0", "IP 10.0.2.15.1 > 10.0.0.5.2: Flags [R], seq 77, win 0, length 0"},
	{"IP 10.0.2.15.1 > 10.0.0.5.2: F 77:77(0) ack 4 win 0 (DF) [tos 0x10]", "IP 10.0.2.15.1 > 10.0.0.5.2: Flags [F.], seq 77, ack 4, win 0, length 0"},
	{"IP 10.0.2.15.1 > 10.0.0.5.2: SWE 77:77(0) win 1", "IP 10.0.2.15.1 > 10.0.0.5.2: Flags [SEW], seq 77, win 1, length 0"},
	{"IP (tos 0x0, ttl  64, id 0, offset 0, flags [DF], proto: TCP (6), length: 44) 10.0.2.15.1 > 10.0.0.5.2: S, cksum 0x5f84 (correct), 9:9(0) win 5840 <mss 1460>",
		"IP 10.0.2.15.1 > 10.0.0.5.2: Flags [S], seq 9, win 5840, options [mss 1460], length 0"},
	{"10.0.2.15.1 > 10.0.0.5.2: S 1:1(0) win 5", "unknown"},
	{"00:00:00.000000 10.0.2.15.1 > 10.0.0.5.2: S 1:1(0) win 5 (DF)", "IP 10.0.2.15.1 > 10.0.0.5.2: Flags [S], seq 1, win 5, length 0"},
	{"00:00:00.000000 trixie.example.32793 > sources.example.22: P [bad tcp cksum 3770!] 5136:5136(0) ack 32369 win 45144 <nop,nop,timestamp 122553 80640703> (DF) [tos 0x10]  (ttl 64, id 9958, len 52)",
		"IP trixie.example.32793 > sources.example.22: Flags [P.], ack 32369, win 45144, options [nop,nop,TS val 122553 ecr 80640703], length 0"},
	{"06:29:59.001069 Out IP truncated-ip - 11 bytes missing! 192.168.1.1.57658 > 192.168.1.2.bgp: P 1:20(19) ack 19 win 17180 <nop,nop,timestamp 87504 74913>: BGP, length: 19",
		"IP truncated-ip - 11 bytes missing! 192.168.1.1.57658 > 192.168.1.2.179: Flags [P.], seq 1:20, ack 19, win 17180, options [nop,nop,TS val 87504 ecr 74913], length 19"},
	{"IP silvy.localnet.32776 > zippy.localnet.domain:  50718+ A? www.example.com. (34)", "IP silvy.localnet.32776 > zippy.localnet.53:  [|domain]"},
	{"IP 10.0.2.15.1 > 10.0.0.5.2: S 1:1(0) win", "bad: unreadable TCP header"},
	// Options.
	{"IP 10.0.2.15.1 > 10.0.0.5.2: Flags [S], seq 1, win 5, options [mss 536[len 6],eol], length 0", "="},
	{"IP 10.0.2.15.1 > 10.0.0.5.2: Flags [S], seq 1, win 5, options [md5 shared secret not supplied with -M, can't check - 30313233343536373839616263646566,eol], length 0", "="},
	{"IP 10.0.2.15.1 > 10.0.0.5.2: Flags [S], seq 1, win 5, options [tfo  cookie 636f6f6b6965213f,nop,nop], length 0", "="},
	{"IP 10.0.2.15.1 > 10.0.0.5.2: Flags [S], seq 1, win 5, options [exp-tfo cookiereq], length 0", "="},
	{"IP 10.0.2.15.1 > 10.0.0.5.2: Flags [S], seq 1, win 5, options [tcp-ao keyid 1 rnextkeyid 2 mac 0x303132333435363738396162], length 0", "="},
	{"IP 10.0.2.15.1 > 10.0.0.5.2: Flags [S], seq 1, win 5, options [unknown-99 0x616263,eol], length 0", "="},
	{"IP 10.0.2.15.1 > 10.0.0.5.2: Flags [.], ack 1, win 5, options [mptcp 28 dss ack 81985529216486895 seq 81985529216486895 subseq 1 len 10 csum 0xabcd], length 0", "="},
	{"IP 10.0.2.15.1 > 10.0.0.5.2: S 1:1(0) win 5 <opt-99:616263,nop,nop,eol>",
		"IP 10.0.2.15.1 > 10.0.0.5.2: Flags [S], seq 1, win 5, options [unknown-99 0x616263,nop,nop,eol], length 0"},
	// UDP.
	{"IP 10.0.2.15.1 > 10.0.0.5.2: UDP, length 12", "="},
	{"IP 10.0.2.15.1 > 10.0.0.5.2: UDP, length: 12", "IP 10.0.2.15.1 > 10.0.0.5.2: UDP, length 12"},
	{"IP 10.0.2.15.1 > 10.0.0.5.2: [udp sum ok] UDP, length 12", "IP 10.0.2.15.1 > 10.0.0.5.2: UDP, length 12"},
	{"IP 10.0.2.15.1 > 10.0.0.5.2: [bad udp cksum 0x1234 -> 0x5678!] UDP, length 12", "IP 10.0.2.15.1 > 10.0.0.5.2: UDP, length 12"},
	{"IP 10.0.2.15.1 > 10.0.0.5.2: UDP, bad length 50 > 14", "="},
	{"IP 10.0.2.15.1 > 10.0.0.5.2: UDP, length 65508", "bad: too long for an IP packet"},
	{"IP6 ::1.1 > ::2.2: UDP, length 65527", "="},
	{"IP truncated-ip - 5 bytes missing! 10.0.2.15.1 > 10.0.0.5.2: UDP, length 12", "="},
	{"IP 10.0.2.15.123 > 10.0.0.5.123: NTPv4, Client, length 48", "IP 10.0.2.15.123 > 10.0.0.5.123: UDP, length 48"},
	{"IP 10.0.2.15.5060 > 10.0.0.5.5060: SIP: REGISTER sip:a SIP/2.0", "IP 10.0.2.15.5060 > 10.0.0.5.5060:  [|udp]"},
	{"IP 10.0.2.15.40000 > 10.0.0.5.53: 53538+ A? example.com. (29)", "IP 10.0.2.15.40000 > 10.0.0.5.53:  [|domain]"},
	// ICMP.
	{"IP 10.0.2.15 > 10.0.0.5: ICMP echo request, id 7, seq 8, length 64", "="},
	{"IP 10.0.2.15 > 10.0.0.5: icmp: echo reply", "IP 10.0.2.15 > 10.0.0.5:  [|icmp]"},
	{"IP 10.0.0.5 > 10.0.2.15: ICMP 10.0.0.5 udp port 9 unreachable, length 42", "="},
	{"IP 10.0.0.5 > 10.0.2.15: ICMP 10.0.0.5 tcp port http unreachable, length 68", "IP 10.0.0.5 > 10.0.2.15: ICMP 10.0.0.5 tcp port 80 unreachable, length 68"},
	{"IP 10.0.0.5 > 10.0.2.15: ICMP 10.0.0.5 unreachable - need to frag (mtu 1400), length 42", "="},
	{"IP 10.0.0.5 > 10.0.2.15: ICMP host 10.0.0.5 unreachable - admin prohibited filter, length 42", "="},
	{"IP 10.0.0.5 > 10.0.2.15: ICMP redirect 10.0.0.5 to host 10.0.0.1, length 42", "="},
	{"IP 10.0.0.5 > 10.0.2.15: ICMP time exceeded in-transit, length 42", "="},
	{"IP6 ::1 > ::2: ICMP6, echo request, id 1, seq 2, length 12", "="},
	{"IP6 fe80::1 > ff02::1: ICMP6, destination unreachable, unreachable port, ff02::fb udp port 9, length 62", "="},
	{"IP6 fe80::1 > ff02::1: ICMP6, destination unreachable, beyond scope ff02::fb, source address fe80::1, length 62", "="},
	{"IP6 fe80::1 > ff02::1: ICMP6, neighbor solicitation, who has fe80::2, length 32", "="},
	{"IP6 fe80::1 > ff02::1: ICMP6, packet too big, mtu 1280, length 62", "="},
	// Other protocols.
	{"IP 10.0.2.15 > 10.0.0.5:  ip-proto-109 12", "="},
	{"IP 10.0.2.15 > 10.0.0.5: ip-proto-17", "="},
	{"IP 10.0.2.15 > 10.0.0.5: ESP(spi=0x00000100,seq=0x1), length 104", "IP 10.0.2.15 > 10.0.0.5:  [|esp]"},
	{"IP 10.0.2.15 > 10.0.0.5: IP6 ::1.1 > ::2.2: UDP, length 3", "="},
	{"IP 10.0.2.15 > 10.0.0.5: something new", "IP 10.0.2.15 > 10.0.0.5:  ip-proto-255 0"},
	// Names.
	{"IP a.example.40000 > 10.0.0.5.xmpp-client: Flags [.], ack 1, win 5, length 0", "IP a.example.40000 > 10.0.0.5.5222: Flags [.], ack 1, win 5, length 0"},
	{"IP localhost.http > b.x11-1: Flags [.], ack 1, win 5, length 0", "IP localhost.80 > b.6001: Flags [.], ack 1, win 5, length 0"},
	{"IP6 ip6-localhost > ::1: ICMP6, echo request, id 1, seq 2, length 12", "="},
	{"IP a.example.ntp > 10.0.0.5.domain: UDP, length 50", "IP a.example.123 > 10.0.0.5.53:  [|domain]"},
	{"IP a > b: ICMP host c.d unreachable, length 36", "IP a > b: ICMP host 192.0.2.3 unreachable, length 36"},
	{"IP a.b > c.d: ICMP echo request, id 7, seq 8, length 64", "="},
	{"IP a.example.40000 > 10.0.0.5.nobody-knows: Flags [.], ack 1, win 5, length 0", "bad: unknown service name"},
	{"IP 10.0.2.15.1 > 10.0.0.5: UDP, length 12", "bad: no port"},
	{"IP a > b: UDP, length 12", "bad: no port"},
	{"IP ::1.1 > ::2.2: UDP, length 12", "bad: addresses of another IP version"},
	{"IP 10.0.2.15.70000 > 10.0.0.5.2: UDP, length 12", "bad: unknown service name"},
	{"IP !.1 > 10.0.0.5.2: UDP, length 12", "bad: two addresses expected"},
	{"IP (tos 0x0, weight 5) 10.0.2.15.1 > 10.0.0.5.2: UDP, length 12", "bad: unreadable IP header"},
}

func TestNotations(t *testing.T) {
	for _, c := range notations {
		want := c.want
		if want == "=" {
			want = c.line
		}
		if got := again(&dump.Reader{}, pkt.New(), c.line); got != want {
			t.Errorf("%q\n got %q\nwant %q", c.line, got, want)
		}
	}
}

// TestUnknown checks Line.Unknown.
func TestUnknown(t *testing.T) {
	const header = dump.Fragment | dump.TTL | dump.TOS
	for _, c := range []struct {
		line     string
		unknown  dump.Field
		made, of int
	}{
		{"IP 10.0.0.1.1 > 10.0.0.2.2: Flags [.], seq 1:2, ack 1, win 5, length 1", header | dump.Sum, 40, 41},
		{"IP 10.0.0.1.1 > 10.0.0.2.2: Flags [.], ack 1, win 5, length 0", header | dump.Sum | dump.Seq, 40, 40},
		{"IP 10.0.0.1.1 > 10.0.0.2.2: Flags [.], cksum 0x1234 (correct), ack 1, win 5, length 0", header | dump.Seq, 40, 40},
		{"IP 10.0.0.1.1 > 10.0.0.2.2: tcp 5", header | dump.Sum | dump.TCPRest, 24, 45},
		{"IP6 ::1.1 > ::2.2: UDP, length 1", dump.TTL | dump.TOS | dump.Sum, 48, 49},
		{"IP 10.0.0.1.1 > 10.0.0.2.2: 4711+ A? a. (20)", header | dump.Sum, 28, 48},
		{"IP 10.0.0.1.1 > 10.0.0.2.2: what is this", header | dump.Sum | dump.Length, 24, 28},
		{"IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 7, seq 8, length 64", header | dump.Sum | dump.Payload, 28, 84},
		{"IP 10.0.0.1 > 10.0.0.2: igmp query v2", header | dump.Payload | dump.Length, 20, 20},
		{"IP 10.0.0.1 > 10.0.0.2: OSPFv2, Hello, length 44", header | dump.Payload, 20, 64},
		{"IP (tos 0x0, ttl 1, id 0, offset 0, flags [none], proto IGMP (2), length 32, options (RA)) 10.0.0.1 > 10.0.0.2: igmp query v2", dump.Payload | dump.Length | dump.Options, 20, 20},
		{"IP (tos 0x0, ttl 1, id 0, offset 0, flags [none], proto UDP (17), length 60) 10.0.0.1.1 > 10.0.0.2.2: what is this", dump.Sum, 24, 60},
	} {
		var r dump.Reader
		var l dump.Line
		r.Read([]byte(c.line), &l)
		if l.Kind != dump.Packet || l.Unknown != c.unknown || len(l.Data) != c.made || int(l.Len) != c.of {
			t.Errorf("%q: %v %s, unknown %09b, %d bytes of %d; want %09b, %d of %d", c.line, l.Kind, l.Why, l.Unknown, len(l.Data), l.Len, c.unknown, c.made, c.of)
		}
	}
}

// TestTwoLines parses packets of -v, whose addresses are in the second line.
func TestTwoLines(t *testing.T) {
	const first = "08:01:30.963078 eth0  In  IP (tos 0x0, ttl 64, id 4711, offset 0, flags [DF], proto UDP (17), length 40)"
	var r dump.Reader
	var l dump.Line
	b := []byte(first)
	r.Read(b, &l)
	if l.Kind != dump.Begun || l.Form != dump.TimeOfDay {
		t.Fatalf("the first line is %v", l.Kind)
	}
	clear(b)
	r.Read([]byte("    10.0.0.1.1 > 10.0.0.2.2: [udp sum ok] UDP, length 12"), &l)
	if l.Kind != dump.Packet || l.Time != 28890963078000 || string(l.Iface) != "eth0" || l.Dir != dump.In || l.Len != 40 {
		t.Errorf("the second line is %+v", l)
	}
	var p event.Packet
	pkt.New().Packet(l.Data, l.Len, &p)
	if p.IP.TTL != 64 || p.IP.ID != 4711 || p.IP.Flags != event.FlagDF || p.Src.String() != "10.0.0.1:1" {
		t.Errorf("the packet is %+v", p)
	}
	for _, line := range []string{"\t0x0000:  4500", "    a continuation"} {
		if r.Read([]byte(line), &l); l.Kind != dump.More {
			t.Errorf("%q is %v", line, l.Kind)
		}
	}
	r.Read([]byte(first), &l)
	r.Read([]byte("    nothing known"), &l)
	if l.Kind != dump.Other {
		t.Errorf("another second line is %v", l.Kind)
	}
	r.Read([]byte(first), &l)
	r.Read([]byte(first), &l)
	if l.Kind != dump.Begun {
		t.Errorf("a first line behind another is %v", l.Kind)
	}
}

// TestASCII parses the output of -A with payload that looks like lines of tcpdump.
func TestASCII(t *testing.T) {
	var r dump.Reader
	for _, c := range []struct {
		line string
		kind dump.Kind
	}{
		{"08:01:30.963078 IP 10.0.0.1.80 > 10.0.0.2.2: Flags [P.], seq 1:99, ack 1, win 5, length 98: HTTP: HTTP/1.1 200 OK", dump.Packet},
		{"E..P..@.@.......HTTP/1.1 200 OK", dump.More},
		{"Content-Type: text/plain", dump.More},
		{"", dump.More},
		{"IP 10.0.0.1.80 > 10.0.0.2.2: Flags [.], ack 1, win 5, length 0", dump.More},
		{"...", dump.More},
		{"listening on eth0, link-type EN10MB (Ethernet)", dump.More},
		{"08:01:30.963079 IP 10.0.0.1.80 > 10.0.0.2.2: Flags [.], ack 1, win 5, length 0", dump.Packet},
		{"E..(..@.@.......", dump.More},
		{"2 packets captured", dump.Captured},
		{"some words", dump.Unknown},
	} {
		var l dump.Line
		if r.Read([]byte(c.line), &l); l.Kind != c.kind {
			t.Errorf("%q is %v, want %v", c.line, l.Kind, c.kind)
		}
	}
}

// TestNumbers checks that relative sequence numbers are printed again unchanged, whatever part of the
// connection was seen.
func TestNumbers(t *testing.T) {
	const out, in = "IP 10.0.0.1.5000 > 10.0.0.2.8000: ", "IP 10.0.0.2.8000 > 10.0.0.1.5000: "
	for name, lines := range map[string][]string{
		"from the SYN": {
			out + "Flags [S], seq 4294967290, win 5, length 0",
			in + "Flags [S.], seq 900, ack 4294967291, win 5, length 0",
			out + "Flags [.], ack 1, win 5, length 0",
			out + "Flags [P.], seq 1:101, ack 1, win 5, length 100",
			in + "Flags [.], ack 101, win 5, options [nop,nop,sack 1 {201:301}], length 0",
			in + "Flags [F.], seq 1, ack 101, win 5, length 0",
			out + "Flags [R], seq 95, win 0, length 0",
		},
		"from data": {
			out + "Flags [P.], seq 5000:5010, ack 700, win 5, length 10",
			in + "Flags [P.], seq 1:8, ack 10, win 5, length 7",
			out + "Flags [.], ack 8, win 5, length 0",
			out + "Flags [.], seq 4294967295:0, ack 8, win 5, length 1",
		},
		"from an acknowledgement": {
			out + "Flags [.], ack 700, win 5, length 0",
			out + "Flags [P.], seq 1:11, ack 1, win 5, length 10",
			in + "Flags [P.], seq 1:8, ack 11, win 5, length 7",
		},
		"the same addresses again": {
			out + "Flags [P.], seq 5000:5010, ack 700, win 5, length 10",
			in + "Flags [S.], seq 77, ack 100, win 5, length 0",
			out + "Flags [P.], seq 1:3, ack 1, win 5, length 2",
		},
	} {
		r, d := dump.Reader{}, pkt.New()
		for _, line := range lines {
			if got := again(&r, d, line); got != line {
				t.Errorf("%s:\n got %q\nwant %q", name, got, line)
			}
		}
	}
	var r dump.Reader
	var l dump.Line
	for _, line := range []string{out + "Flags [S], seq 1000, win 5, length 0", in + "Flags [S.], seq 2000, ack 1001, win 5, length 0", out + "Flags [.], ack 1, win 5, length 0"} {
		r.Read([]byte(line), &l)
	}
	if seq, ack := binary.BigEndian.Uint32(l.Data[24:]), binary.BigEndian.Uint32(l.Data[28:]); seq != 1001 || ack != 2001 {
		t.Errorf("the lone acknowledgement has %d and %d", seq, ack)
	}
	r = dump.Reader{} // Absolute is not set: -S is detected
	for _, line := range []string{out + "Flags [S], seq 100000, win 5, length 0", in + "Flags [S.], seq 200000, ack 100001, win 5, length 0",
		out + "Flags [.], ack 200001, win 5, length 0", in + "Flags [.], seq 200001:200009, ack 100001, win 5, length 8"} {
		r.Read([]byte(line), &l)
	}
	if seq, ack := binary.BigEndian.Uint32(l.Data[24:]), binary.BigEndian.Uint32(l.Data[28:]); seq != 200001 || ack != 100001 {
		t.Errorf("numbers of -S are %d and %d", seq, ack)
	}
	abs, d := dump.Reader{Absolute: true}, pkt.New()
	for _, line := range []string{out + "Flags [P.], seq 5000:5010, ack 700, win 5, length 10", in + "Flags [.], ack 5010, win 5, options [nop,nop,sack 1 {5020:5030}], length 0"} {
		if got := again(&abs, d, line); got != line {
			t.Errorf("absolute:\n got %q\nwant %q", got, line)
		}
	}
}

// TestForgotten checks that the number of stored connections is bounded, and that those in use are
// kept.
func TestForgotten(t *testing.T) {
	var r dump.Reader
	d := pkt.New()
	line := func(port, seq int) string {
		return fmt.Sprintf("IP 10.0.0.1.%d > 10.0.0.2.8000: Flags [.], seq %d:%d, ack 1, win 5, length 10", port, seq, seq+10)
	}
	again(&r, d, line(1000, 5000))
	again(&r, d, line(1001, 5000))
	for port := 2000; port < 2000+5000; port++ {
		again(&r, d, line(port, 5000))
		if got := again(&r, d, line(1000, 10)); got != line(1000, 10) {
			t.Fatalf("after %d connections: %q", port-2000, got)
		}
	}
	var l dump.Line
	if r.Read([]byte(line(1001, 20)), &l); binary.BigEndian.Uint32(l.Data[24:]) != 20 {
		t.Errorf("a connection is remembered that was not used")
	}
}

// TestNames checks that names keep their placeholder addresses, which are otherwise unused.
func TestNames(t *testing.T) {
	var r dump.Reader
	var l dump.Line
	for i := range 300 {
		r.Read(fmt.Appendf(nil, "IP host%d.5 > 10.0.0.2.80: UDP, length 1", i), &l)
		r.Read(fmt.Appendf(nil, "IP6 host%d.5 > ::2.80: UDP, length 1", i), &l)
	}
	names := r.Names()
	if len(names) != 600 {
		t.Fatalf("%d names", len(names))
	}
	for i, want := range map[int]string{0: "192.0.2.1", 253: "192.0.2.254", 254: "198.18.0.1", 299: "198.18.0.46", 300: "2001:db8:6e61:6d65::1", 599: "2001:db8:6e61:6d65::12c"} {
		n := names[i]
		if n.Addr.String() != want || n.Name != fmt.Sprintf("host%d", i%300) || r.Name(n.Addr) != n.Name {
			t.Errorf("name %d is %v", i, n)
		}
	}
	for _, a := range []string{"192.0.2.0", "192.0.2.255", "198.18.0.47", "198.18.0.0", "10.0.0.2", "2001:db8::1", "2001:db8:6e61:6d65::12d", "2001:db8:6e61:6d65::"} {
		if got := r.Name(netip.MustParseAddr(a)); got != "" {
			t.Errorf("%s is %q", a, got)
		}
	}
	if got := r.Name(netip.Addr{}); got != "" {
		t.Errorf("no address is %q", got)
	}
	r.Read([]byte("IP 198.18.0.46.5 > 10.0.0.2.80: UDP, length 1"), &l)
	if l.Kind != dump.Bad {
		t.Errorf("an address of a name is %v", l.Kind)
	}
	r.Read([]byte("IP 10.0.0.1 > 10.0.0.2: ICMP host 198.18.0.46 unreachable, length 36"), &l)
	if l.Kind != dump.Packet || len(l.Data) != 20 {
		t.Errorf("a quoted address of a name is %v %x", l.Kind, l.Data)
	}
	r.Read([]byte("IP 198.18.0.47.5 > 10.0.0.2.80: UDP, length 1"), &l)
	if l.Kind != dump.Packet {
		t.Errorf("an address of no name is %v", l.Kind)
	}
}

// TestManyNames checks that the memory of names is bounded.
func TestManyNames(t *testing.T) {
	var r dump.Reader
	var l dump.Line
	for i := range 1 << 16 {
		if r.Read(fmt.Appendf(nil, "IP h%d.5 > 10.0.0.2.80: UDP, length 1", i), &l); l.Kind != dump.Packet {
			t.Fatalf("name %d is %v", i, l.Kind)
		}
	}
	if r.Read([]byte("IP more.5 > 10.0.0.2.80: UDP, length 1"), &l); l.Kind != dump.Bad {
		t.Errorf("one more is %v", l.Kind)
	}
	if r.Read([]byte("IP h65535.5 > 10.0.0.2.80: UDP, length 1"), &l); l.Kind != dump.Packet {
		t.Errorf("the last is %v", l.Kind)
	}
}

var benchLines = []struct{ name, line string }{
	{"TCP", "08:01:31.143569 IP 10.0.2.15.48448 > 10.0.0.5.80: Flags [P.], seq 1:79, ack 1, win 64, options [nop,nop,TS val 1 ecr 2], length 78: HTTP: GET / HTTP/1.1"},
	{"TCP6", "08:01:31.143569 IP6 2001:db8::15.48448 > 2001:db8::5.80: Flags [P.], seq 1:79, ack 1, win 64, options [nop,nop,TS val 1 ecr 2], length 78"},
	{"old", "08:01:31.143569 IP DEV-Blur-DB-1.s3lab.mot.com.40181 > 124.65.150.30.xmpp-client: P 1:208(207) ack 1 win 46 <nop,nop,timestamp 3879708680 1103908394>"},
	{"UDP", "08:01:31.143569 IP 10.0.2.15.1 > 10.0.0.5.2: UDP, length 12"},
	{"DNS", "08:01:31.143569 IP 10.0.2.15.40000 > 10.0.0.5.53: 53538+ A? example.com. (29)"},
	{"hex", "\t0x0000:  4500 003c 1267 4000 4006 0000 0a00 020f  E..<.g@.@......."},
}

func BenchmarkRead(b *testing.B) {
	for _, c := range benchLines {
		b.Run(c.name, func(b *testing.B) {
			var r dump.Reader
			var l dump.Line
			line := []byte(c.line)
			r.Read(line, &l)
			b.SetBytes(int64(len(line)) + 1)
			b.ReportAllocs()
			for b.Loop() {
				r.Read(line, &l)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
		})
	}
}

// TestAllocs checks that a line with known names is parsed without allocations.
func TestAllocs(t *testing.T) {
	for _, c := range benchLines {
		var r dump.Reader
		var l dump.Line
		line := []byte(c.line)
		if n := testing.AllocsPerRun(100, func() { r.Read(line, &l) }); n != 0 {
			t.Errorf("%s: %v allocations a line", c.name, n)
		}
	}
}
