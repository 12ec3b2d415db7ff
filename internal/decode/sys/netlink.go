package sys

// Sizes of linux/netlink.h.
const (
	nlHeader = 16
	// maxNetlink bounds what is looked at of one buffer.
	maxNetlink = 32 << 10
)

func (d *Decoder) netlink(f string, b []byte, n uint64, proto uint16) {
	d.str(f, b, n)
}
