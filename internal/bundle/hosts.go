package bundle

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync"

	"github.com/pidwire/pidwire/internal/wire"
)

// hosts maps host names, which files have in place of addresses, to placeholder
// addresses. The reader of each file assigns its own placeholders; hosts makes them the
// same in all files.
type hosts struct {
	mu    sync.Mutex
	names map[hostKey]netip.Addr
	taken map[netip.Addr]bool
	bytes int // estimated memory
	next  uint32
}

type hostKey struct {
	name string
	v6   bool
}

const (
	// hostBytes bounds the memory of all names; an entry takes hostSize and its name.
	hostBytes = 3 << 20
	hostSize  = 150
)

// addr returns the placeholder of a name, for which the reader of a file has assigned own.
// It returns an error if there is no room for the name and another name has own.
func (h *hosts) addr(name string, own netip.Addr) (netip.Addr, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	key := hostKey{name, own.Is6()}
	if a, known := h.names[key]; known {
		return a, nil
	}
	if h.bytes += len(name) + hostSize; h.bytes > hostBytes {
		h.bytes = hostBytes
		if h.taken[own] {
			return own, fmt.Errorf("more than %d host names in merged files: run tcpdump with -n, or open the file alone", len(h.names))
		}
		return own, nil
	}
	a := own
	for h.taken[a] {
		// foreign/dump assigns addresses from the low end of the range; take them from the high end.
		h.next++
		b := own.As16()
		if own.Is4() {
			n := 198<<24 | 19<<16 | 0xffff - h.next
			a = netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
			continue
		}
		b[12] = 0xff
		binary.BigEndian.PutUint16(b[14:], uint16(h.next))
		b[13] = byte(h.next >> 16)
		a = netip.AddrFrom16(b)
	}
	if h.names == nil {
		h.names, h.taken = map[hostKey]netip.Addr{}, map[netip.Addr]bool{}
	}
	h.names[key], h.taken[a] = a, true
	return a, nil
}

// made reports whether an address is a placeholder.
func (h *hosts) made(a netip.Addr) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.taken[a.Unmap()]
}

// rename replaces the placeholder in the record of a host name by the one for all files,
// in place. It returns both; they are invalid if the record is of another kind.
func (h *hosts) rename(r wire.Record) (own, all netip.Addr, err error) {
	var n wire.Name
	if !n.Unmarshal(r) || n.What != wire.NameHost {
		return own, all, nil
	}
	attrs := r[wire.SizeName:]
	b := wire.AttrOf(attrs, wire.TagAddr)
	own, ok := netip.AddrFromSlice(b)
	if !ok {
		return netip.Addr{}, all, nil
	}
	all, err = h.addr(string(wire.AttrOf(attrs, wire.TagName)), own)
	copy(b, all.AsSlice())
	return own, all, err
}

// readdress replaces the addresses in the IP header of a packet, in place, by those that to
// returns. It leaves checksums of upper layers alone: a reader that assigns placeholders
// does not know them either.
func readdress(r wire.Record, to func(netip.Addr) (netip.Addr, bool)) {
	if len(r) < wire.SizePacket || binary.LittleEndian.Uint16(r[wire.OffPacketLink:]) != 0 {
		return
	}
	caplen := uint64(binary.LittleEndian.Uint32(r[wire.OffPacketCaplen:]))
	if caplen > uint64(len(r)-wire.SizePacket) {
		return
	}
	p := r[wire.SizePacket : wire.SizePacket+int(caplen)]
	put := func(b []byte) bool {
		a, _ := netip.AddrFromSlice(b)
		n, ok := to(a)
		if !ok || n.BitLen() != a.BitLen() {
			return false
		}
		copy(b, n.AsSlice())
		return true
	}
	switch {
	case len(p) >= 20 && p[0]>>4 == 4:
		// Replace both, also if the first one has been replaced.
		src, dst := put(p[12:16]), put(p[16:20])
		if !src && !dst {
			return
		}
		head := min(int(p[0]&0xf)*4, len(p))
		p[10], p[11] = 0, 0
		var sum uint32
		for i := 0; i+1 < head; i += 2 {
			sum += uint32(p[i])<<8 | uint32(p[i+1])
		}
		for sum > 0xffff {
			sum = sum&0xffff + sum>>16
		}
		binary.BigEndian.PutUint16(p[10:], ^uint16(sum))
	case len(p) >= 40 && p[0]>>4 == 6:
		put(p[8:24])
		put(p[24:40])
	}
}
