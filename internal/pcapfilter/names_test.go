package pcapfilter

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestServices compares the names of ports with this machine's /etc/services.
// Distributions differ in the protocols of a name, but not in its port.
func TestServices(t *testing.T) {
	file, err := os.ReadFile("/etc/services")
	if err != nil {
		t.Skip(err)
	}
	system := map[string]service{}
	for line := range strings.Lines(string(file)) {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		port, proto, _ := strings.Cut(f[1], "/")
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || proto != "tcp" && proto != "udp" {
			continue
		}
		for _, name := range append(f[2:], f[0]) {
			s := system[name]
			if s.port != uint16(n) {
				s = service{port: uint16(n)}
			}
			s.tcp, s.udp = s.tcp || proto == "tcp", s.udp || proto == "udp"
			system[name] = s
		}
	}
	same := 0
	for name, s := range services {
		switch there, ok := system[name]; {
		case !ok:
			t.Logf("%s is not in /etc/services", name)
		case s.port != there.port:
			t.Errorf("%s is %d, and %d in /etc/services", name, s.port, there.port)
		case s != there:
			t.Logf("%s is %+v, and %+v in /etc/services", name, s, there)
		default:
			same++
		}
	}
	t.Logf("%d of %d are the same", same, len(services))
}

// TestProtoNames compares the names of protocols with this machine's
// /etc/protocols.
func TestProtoNames(t *testing.T) {
	file, err := os.ReadFile("/etc/protocols")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(file)) {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		for _, name := range append(f[2:], f[0]) {
			if n, ok := protoNames[strings.ToLower(name)]; ok && strconv.Itoa(int(n)) != f[1] {
				t.Errorf("%s is %d, and %s in /etc/protocols", name, n, f[1])
			}
		}
	}
}
