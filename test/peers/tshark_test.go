//go:build linux

package peers

import (
	"encoding/xml"
	"slices"
	"strconv"
	"testing"
)

// node is a protocol or a field of a packet as tshark dissects it.
type node struct {
	XMLName  xml.Name
	Name     string `xml:"name,attr"`
	Show     string `xml:"show,attr"` // the value
	Size     int    `xml:"size,attr"`
	Showname string `xml:"showname,attr"` // the value in words, after the name
	Kids     []node `xml:",any"`
}

// all returns the nodes of a name below n, in order.
func (n *node) all(name string) (list []*node) {
	for i := range n.Kids {
		k := &n.Kids[i]
		if k.Name == name {
			list = append(list, k)
		}
		list = append(list, k.all(name)...)
	}
	return list
}

// get returns the value of the first field of a name; "" if there is none.
func (n *node) get(name string) string {
	if l := n.all(name); len(l) > 0 {
		return l[0].Show
	}
	return ""
}

// has reports whether there is a field of a name.
func (n *node) has(name string) bool { return len(n.all(name)) > 0 }

// values returns all values of a field.
func (n *node) values(name string) (list []string) {
	for _, k := range n.all(name) {
		list = append(list, k.Show)
	}
	return list
}

// num returns the value of a field as a number; 0 if there is none.
func (n *node) num(name string) int {
	v, _ := strconv.ParseInt(n.get(name), 0, 64)
	return int(v)
}

// frame is a packet.
type frame struct {
	node
	number int
	stream string
	client bool // from a client to a server
}

// dissect returns the packets of a capture.
func dissect(t *testing.T, file string, ports []int, flags []string) (frames []*frame) {
	t.Helper()
	var doc struct {
		Packets []node `xml:"packet"`
	}
	args := append([]string{"-n", "-r", file, "-T", "pdml", "-o", "tcp.analyze_sequence_numbers:TRUE"}, flags...)
	if err := xml.Unmarshal(output(t, "tshark", args...), &doc); err != nil {
		t.Fatal(err)
	}
	for _, p := range doc.Packets {
		f := &frame{node: p, number: p.num("frame.number")}
		to := p.num("tcp.dstport")
		f.stream = "tcp " + p.get("tcp.stream")
		if p.has("udp.dstport") {
			to, f.stream = p.num("udp.dstport"), "udp "+p.get("udp.stream")
		}
		f.client = slices.Contains(ports, to)
		frames = append(frames, f)
	}
	return frames
}
