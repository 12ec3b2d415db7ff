package sys

import "github.com/pidwire/pidwire/internal/event"

var (
	ioctlRequest = kind{show: (*Decoder).ioctlRequest}
	ioctlArg     = kind{show: (*Decoder).ioctlArg}
)

func (d *Decoder) ioctlRequest(i int) {
	v := uint64(uint32(d.a[i]))
	if ioctls.Name(v) != "" {
		d.sym("", v, ioctls)
		return
	}
	// _IOC of asm-generic/ioctl.h: direction, type, number, size.
	d.open(event.TFunc, "").Str = "_IOC"
	d.sym("", v>>30, iocDirs)
	d.hex("", v>>8&0xff)
	d.hex("", v&0xff)
	d.hex("", v>>16&0x3fff)
	d.end()
}

// Requests for sockets (linux/sockios.h, asm-generic/ioctls.h, linux/vm_sockets.h).
const (
	fionread, tiocoutq, fionbio, fioasync = 0x541b, 0x5411, 0x5421, 0x5452
	fionclex, fioclex                     = 0x5450, 0x5451
	siocatmark, fiosetown, siocspgrp      = 0x8905, 0x8901, 0x8902
	fiogetown, siocgpgrp                  = 0x8903, 0x8904
	siocgstampOld, siocgstampnsOld        = 0x8906, 0x8907
	siocgstampNew, siocgstampnsNew        = 0x80108906, 0x80108907
	siocgifname, siocgifconf              = 0x8910, 0x8912
	siocinq, siocoutqnsd                  = 0x541b, 0x894b
	siocethtool                           = 0x8946
	vsockLocalCid                         = 0x7b9
)

func (d *Decoder) ioctlArg(i int) {
	req, addr := uint32(d.a[1]), d.a[i]
	reads := true // the kernel writes the argument
	switch req {
	case fionbio, fioasync, fiosetown, siocspgrp:
		reads = false
		fallthrough
	case fionread, tiocoutq, siocatmark, fiogetown, siocgpgrp, siocoutqnsd:
		d.ioctlInt(addr, reads)
	case vsockLocalCid:
		b := d.outAll(addr, 4)
		if b == nil || d.failed || !d.done {
			d.ptr("", addr)
			return
		}
		d.open(event.TArray, "")
		d.sym("", u32(b, 0), vsockCids).Flags |= event.FDec | event.FBare
		d.end()
	case fionclex, fioclex:
	case siocgstampOld, siocgstampnsOld:
		d.ioctlTime(addr, d.long64, req == siocgstampnsOld)
	case siocgstampNew, siocgstampnsNew:
		d.ioctlTime(addr, true, req == siocgstampnsNew)
	case siocgifconf:
		d.ifconf(addr)
	default:
		if s := ifreqOf(req); s != nil {
			d.ifreq(addr, s)
			return
		}
		d.hex("", addr)
	}
}

func (d *Decoder) ioctlInt(addr uint64, reads bool) {
	b := d.inAll(addr, 4)
	if reads {
		b = d.outAll(addr, 4)
		if d.failed || !d.done {
			b = nil
		}
	}
	if b == nil {
		d.ptr("", addr)
		return
	}
	d.list(s32(b, 0))
}

func (d *Decoder) ioctlTime(addr uint64, wide, nano bool) {
	b := d.outAll(addr, timeSize(wide))
	if b == nil || d.failed || !d.done {
		d.ptr("", addr)
		return
	}
	if nano {
		d.timeOf("", b, wide, "tv_nsec")
	} else {
		d.timeOf("", b, wide, "tv_usec")
	}
}

// Members of the union in struct ifreq.
const (
	ifNone = iota
	ifAddr
	ifFlags
	ifIndex
	ifMetric
	ifMTU
	ifHwaddr
	ifMap
	ifQlen
	ifNewname
	ifSlave
	ifEthtool
	ifData
)

// ifreqUse describes a request with a struct ifreq: the member of the union, and whether the
// kernel returns it.
type ifreqUse struct {
	req   uint32
	field string
	use   uint8
	get   bool
}

var ifreqUses = [...]ifreqUse{
	{siocgifname, "ifr_name", ifNone, true},
	{0x8913, "ifr_flags", ifFlags, true}, {0x8914, "ifr_flags", ifFlags, false},
	{0x8915, "ifr_addr", ifAddr, true}, {0x8916, "ifr_addr", ifAddr, false},
	{0x8917, "ifr_dstaddr", ifAddr, true}, {0x8918, "ifr_dstaddr", ifAddr, false},
	{0x8919, "ifr_broadaddr", ifAddr, true}, {0x891a, "ifr_broadaddr", ifAddr, false},
	{0x891b, "ifr_netmask", ifAddr, true}, {0x891c, "ifr_netmask", ifAddr, false},
	{0x891d, "ifr_metric", ifMetric, true}, {0x891e, "ifr_metric", ifMetric, false},
	{0x8921, "ifr_mtu", ifMTU, true}, {0x8922, "ifr_mtu", ifMTU, false},
	{0x8923, "ifr_newname", ifNewname, false},
	{0x8924, "ifr_hwaddr", ifHwaddr, false}, {0x8927, "ifr_hwaddr", ifHwaddr, true},
	{0x8929, "ifr_slave", ifSlave, true}, {0x8930, "ifr_slave", ifSlave, false},
	{0x8931, "ifr_hwaddr", ifHwaddr, false}, {0x8932, "ifr_hwaddr", ifHwaddr, false}, {0x8937, "ifr_hwaddr", ifHwaddr, false},
	{0x8933, "ifr_ifindex", ifIndex, true},
	{0x8942, "ifr_qlen", ifQlen, true}, {0x8943, "ifr_qlen", ifQlen, false},
	{siocethtool, "ifr_data", ifEthtool, false},
	{0x8947, "ifr_data", ifData, false}, {0x8948, "ifr_data", ifData, false}, {0x8949, "ifr_data", ifData, false},
	{0x8970, "ifr_map", ifMap, true}, {0x8971, "ifr_map", ifMap, false},
	{0x89b0, "ifr_data", ifData, false}, {0x89b1, "ifr_data", ifData, false},
}

func ifreqOf(req uint32) *ifreqUse {
	for i := range ifreqUses {
		if ifreqUses[i].req == req {
			return &ifreqUses[i]
		}
	}
	return nil
}

const ifnamsiz = 16

// ifreqSize returns sizeof(struct ifreq), which depends on long: struct ifmap has two.
func (d *Decoder) ifreqSize() uint64 {
	if d.word == 4 {
		return 32
	}
	return 40
}

func (d *Decoder) ifreq(addr uint64, s *ifreqUse) {
	size := d.ifreqSize()
	b := d.inAll(addr, size)
	if s.get && d.done {
		if x := d.outAll(addr, size); x != nil {
			b = x
		}
	}
	if b == nil || addr == 0 {
		d.ptr("", addr)
		return
	}
	d.open(event.TStruct, "")
	if s.req == siocgifname {
		d.uint("ifr_ifindex", u32(b, ifnamsiz))
		if d.done && !d.failed {
			d.name("ifr_name", b[:ifnamsiz])
		}
		d.end()
		return
	}
	d.name("ifr_name", b[:ifnamsiz])
	if !s.get || d.done && !d.failed {
		d.ifreqValue(s, b[ifnamsiz:])
	}
	d.end()
}

func (d *Decoder) ifreqValue(s *ifreqUse, b []byte) {
	switch s.use {
	case ifAddr:
		d.sockaddr(s.field, b[:16])
	case ifFlags:
		d.flags(s.field, u16(b, 0), ifFlagBits)
	case ifIndex, ifMetric, ifMTU, ifQlen:
		d.int(s.field, s32(b, 0))
	case ifNewname, ifSlave:
		d.cstr(s.field, b[:ifnamsiz])
	case ifHwaddr:
		d.open(event.TStruct, s.field)
		d.sym("sa_family", u16(b, 0), arpHards)
		d.mac("sa_data", b[2:2+hwaddrLen(u16(b, 0))])
		d.end()
	case ifMap:
		d.open(event.TStruct, s.field)
		w := int(d.word)
		d.hex("mem_start", d.long(b, 0))
		d.hex("mem_end", d.long(b, w))
		d.hex("base_addr", u16(b, 2*w))
		d.hex("irq", u8(b, 2*w+2))
		d.hex("dma", u8(b, 2*w+3))
		d.hex("port", u8(b, 2*w+4))
		d.end()
	case ifEthtool:
		p := d.long(b, 0)
		if c := d.inAll(p, 4); c != nil {
			d.open(event.TStruct, s.field)
			d.sym("cmd", u32(c, 0), ethtoolCmds)
			d.more()
			d.end()
			return
		}
		d.ptr(s.field, p)
	case ifData:
		d.ptr(s.field, d.long(b, 0))
	}
}

// hwaddrLen returns the length of a hardware address in struct ifreq: 7 bytes for amateur
// radio, 6 for all others.
func hwaddrLen(hatype uint64) int {
	const netrom, ax25 = 0, 3
	if hatype == netrom || hatype == ax25 {
		return 7
	}
	return 6
}

// ifconf decodes struct ifconf: the length before and after the call, and the interfaces.
func (d *Decoder) ifconf(addr uint64) {
	size := 2 * d.word
	before, after := d.before(addr, size), d.outAll(addr, size)
	if before == nil {
		before = after
	}
	if before == nil || addr == 0 {
		d.ptr("", addr)
		return
	}
	unit := int64(d.ifreqSize())
	was, buf := s32(before, 0), d.long(before, int(d.word))
	d.open(event.TStruct, "")
	if d.failed || !d.done || after == nil {
		d.ifconfLen("ifc_len", was, unit)
		d.ptr("ifc_buf", buf)
		d.end()
		return
	}
	now := s32(after, 0)
	if buf == 0 {
		was = now // the process asks only for the length
	}
	d.ifconfLen("ifc_len", was, unit)
	if was != now {
		d.arrow()
		d.ifconfLen("", now, unit)
	}
	d.ifconfBuf(buf, now, unit)
	d.end()
}

func (d *Decoder) ifconfLen(f string, n, unit int64) {
	d.int(f, n)
	if n > 0 && n%unit == 0 {
		d.note(decText(uint64(n/unit)) + " * sizeof(struct ifreq)")
	}
}

func (d *Decoder) ifconfBuf(buf uint64, n, unit int64) {
	if buf == 0 || n > 0 && d.outAll(buf, uint64(unit)) == nil {
		d.ptr("ifc_buf", buf)
		return
	}
	d.open(event.TArray, "ifc_buf").Flags |= event.FLimit
	for off := int64(0); off+unit <= n; off += unit {
		b := d.outAll(buf+uint64(off), uint64(unit))
		if b == nil || d.spent() {
			d.tail(buf + uint64(off))
			break
		}
		d.open(event.TStruct, "")
		d.name("ifr_name", b[:ifnamsiz])
		d.sockaddr("ifr_addr", b[ifnamsiz:ifnamsiz+16])
		d.end()
	}
	d.end()
}
