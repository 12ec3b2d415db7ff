package dump_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/foreign/dump"
)

// A datagram with the payload "payload of 22 bytes...", and a segment with "hello", from the IP header on.
const (
	datagram = "IP 10.0.0.1.40000 > 10.0.0.2.9: UDP, length 22"
	rawUDP   = "4500 0032 0001 4000 4011 0000 0a00 0001 0a00 0002 9c40 0009 001e 0000" +
		"7061 796c 6f61 6420 6f66 2032 3220 6279 7465 732e 2e2e"
	segment = "IP 10.0.0.1.40000 > 10.0.0.2.80: Flags [P.], seq 1:6, ack 1, win 502, length 5"
	rawTCP  = "4500 002d 0001 4000 4006 0000 0a00 0001 0a00 0002 9c40 0050 0000 0065 0000 0065 5018 01f6 0000 0000 6865 6c6c 6f"
)

// rows prints bytes as tcpdump does with -x; with text, as with -X.
func rows(raw string, text bool) (list []string) {
	b := octets(raw)
	for at := 0; at < len(b); at += 16 {
		row := b[at:min(at+16, len(b))]
		var groups strings.Builder
		for i := 0; i < len(row); i += 2 {
			fmt.Fprintf(&groups, " %x", row[i:min(i+2, len(row))])
		}
		line := fmt.Sprintf("\t0x%04x: %s", at, groups.String())
		if text {
			ascii := bytes.Map(func(r rune) rune {
				if r <= ' ' || r > '~' {
					return '.'
				}
				return r
			}, row)
			line = fmt.Sprintf("\t0x%04x: %-40s  %s", at, groups.String(), ascii)
		}
		list = append(list, line)
	}
	return list
}

func octets(raw string) (b []byte) {
	raw = strings.ReplaceAll(raw, " ", "")
	for i := 0; i+1 < len(raw); i += 2 {
		var v byte
		fmt.Sscanf(raw[i:i+2], "%02x", &v)
		b = append(b, v)
	}
	return b
}

// filled returns the payload that a packet has with a dump, and the bytes that it should have.
func filled(t *testing.T, line string, lines []string) (payload string, size int) {
	t.Helper()
	var r dump.Reader
	var l dump.Line
	var h dump.Hex
	r.Read([]byte(line), &l)
	if l.Kind != dump.Packet {
		t.Fatalf("%q is %v", line, l.Kind)
	}
	h.Start()
	for _, line := range lines {
		if !h.Add([]byte(line)) {
			t.Fatalf("%q is not taken", line)
		}
	}
	h.Fill(&r, &l)
	at := 20
	if l.Data[0]>>4 == 6 {
		at = 40
	}
	switch {
	case l.Data[9] != 6 && at == 20, at == 40 && l.Data[6] != 6:
		at += 8
	case len(l.Data) > at+12:
		at += int(l.Data[at+12]>>4) * 4
	}
	if at > len(l.Data) {
		return "", int(l.Len) - at
	}
	return string(l.Data[at:]), int(l.Len) - at
}

func TestHex(t *testing.T) {
	const all = "payload of 22 bytes..."
	udp := rows(rawUDP, false)
	ethernet := "0200 0000 0002 0200 0000 0001 0800"
	replace := func(list []string, i int, old, with string) []string {
		list = append([]string(nil), list...)
		list[i] = strings.Replace(list[i], old, with, 1)
		return list
	}
	for name, c := range map[string]struct {
		line    string
		lines   []string
		payload string
		size    int
	}{
		"-x":                        {datagram, udp, all, 22},
		"-X":                        {datagram, rows(rawUDP, true), all, 22},
		"-xx":                       {datagram, rows(ethernet+rawUDP, false), all, 22},
		"-XX with -i any":           {datagram, rows("0000 0304 0006 0000 0000 0000 0000 0800"+rawUDP, true), all, 22},
		"padding":                   {datagram, rows(rawUDP+"0000 0000 0000", false), all, 22},
		"TCP":                       {segment, rows(rawTCP, false), "hello", 5},
		"TCP -q":                    {"IP 10.0.0.1.40000 > 10.0.0.2.80: tcp 5", rows(rawTCP, true), "hello", 5},
		"names":                     {"IP a.example.40000 > b.example.9: UDP, length 22", udp, all, 22},
		"no length in the line":     {"IP 10.0.0.1.40000 > 10.0.0.2.9: SIP", udp, all, 22},
		"blanks in place of a tab":  {datagram, []string{"        " + udp[0][1:], "        " + udp[1][1:], "        " + udp[2][1:], "        " + udp[3][1:]}, all, 22},
		"none":                      {datagram, nil, "", 22},
		"cut by the snap length":    {datagram, rows(rawUDP[:len(rawUDP)-10], false), all[:18], 22},
		"its end is missing":        {datagram, udp[:3], all[:20], 22},
		"its begin is missing":      {datagram, udp[1:], "", 22},
		"a line is missing":         {datagram, []string{udp[0], udp[1], udp[3]}, all[:4], 22},
		"a wrong offset":            {datagram, replace(udp, 2, "0x0020", "0x0030"), all[:4], 22},
		"an offset of five digits":  {datagram, replace(udp, 2, "0x0020", "0x00200"), all[:4], 22},
		"a line is there twice":     {datagram, []string{udp[0], udp[1], udp[1], udp[2]}, all[:4], 22},
		"two dumps":                 {datagram, append(append([]string(nil), udp...), udp...), "", 22},
		"a damaged group":           {datagram, replace(udp, 2, "6420", "64z0"), all[:6], 22},
		"a group is too long":       {datagram, replace(udp, 2, "6420", "642020"), all[:6], 22},
		"a line that is cut":        {datagram, replace(udp, 1, " 7061", " 7"), "", 22},
		"a line that is cut, odd":   {datagram, replace(udp, 1, " 7061 796c", " 7061 79"), "pay", 22},
		"another address":           {"IP 10.0.0.1.40000 > 10.0.0.3.9: UDP, length 22", udp, "", 22},
		"another port":              {"IP 10.0.0.1.40000 > 10.0.0.2.10: UDP, length 22", udp, "", 22},
		"another length":            {"IP 10.0.0.1.40000 > 10.0.0.2.9: UDP, length 21", udp, "", 21},
		"another protocol":          {"IP 10.0.0.1.40000 > 10.0.0.2.9: Flags [P.], seq 1:23, ack 1, win 1, length 22", udp, "", 22},
		"other flags":               {strings.Replace(segment, "[P.]", "[F.]", 1), rows(rawTCP, false), "", 5},
		"another window":            {strings.Replace(segment, "win 502", "win 503", 1), rows(rawTCP, false), "", 5},
		"another version":           {"IP6 ::1.40000 > ::2.9: UDP, length 22", udp, "", 22},
		"a fragment":                {datagram, rows(strings.Replace(rawUDP, "0001 4000", "0001 2000", 1), false), "", 22},
		"a header that is too long": {segment, rows(strings.Replace(rawTCP, "5018 01f6", "f018 01f6", 1), false), "", 5},
		"IPv4 options":              {datagram, rows("4600 0036 0001 4000 4011 0000 0a00 0001 0a00 0002 9404 0000"+strings.SplitN(rawUDP, "0a00 0002 ", 2)[1], false), all, 22},
		"IPv6": {"IP6 2001:db8::1.40000 > 2001:db8::2.9: UDP, length 2", rows("6000 0000 000a 1140 2001 0db8 0000 0000 0000 0000 0000 0001"+
			"2001 0db8 0000 0000 0000 0000 0000 0002 9c40 0009 000a 0000 6869", false), "hi", 2},
	} {
		t.Run(name, func(t *testing.T) {
			payload, size := filled(t, c.line, c.lines)
			if payload != c.payload || size != c.size {
				t.Errorf("%q of %d bytes, want %q of %d", payload, size, c.payload, c.size)
			}
		})
	}
}

// TestHexOther checks that lines that are not of a dump are not taken for such.
func TestHexOther(t *testing.T) {
	for _, line := range []string{"", "\t", "0x0000:  4500", "\t0x000:  4500", "\t0x0000 4500", "\tGET / HTTP/1.1", "    10.0.0.1.1 > 10.0.0.2.2: UDP, length 1", "\t0xzzzz:  4500"} {
		if dump.IsHex([]byte(line)) {
			t.Errorf("%q is taken for a line of a dump", line)
		}
	}
}

// TestHexBound checks that a dump without end takes no more memory than a packet.
func TestHexBound(t *testing.T) {
	var h dump.Hex
	line := []byte(rows(strings.Repeat("00", 16), false)[0])
	h.Start()
	for at := range 1 << 18 {
		copy(line[1:], fmt.Sprintf("0x%05x: ", at*16)[:9])
		h.Add(line)
	}
	var l dump.Line
	var r dump.Reader
	r.Read([]byte(datagram), &l)
	if h.Fill(&r, &l) {
		t.Error("a packet of zeros is that of the line")
	}
}
