package sys

import (
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/syscalls"
)

var (
	iocbs    = kind{(*Decoder).iocbs, true}
	ioEvents = kind{(*Decoder).ioEvents, true}
	resumed  = kind{show: (*Decoder).resumed}
)

// struct iocb and struct io_event (linux/aio_abi.h), the same on all ABIs.
const (
	iocbSize    = 64
	ioEventSize = 32
)

const (
	iocbPread, iocbPwrite, iocbPoll, iocbPreadv, iocbPwritev = 0, 1, 5, 7, 8

	iocbFlagResfd = 1
)

var iocbOps = event.NewTable("IOCB_CMD_???",
	event.Sym{Num: 0, Name: "IOCB_CMD_PREAD"},
	event.Sym{Num: 1, Name: "IOCB_CMD_PWRITE"},
	event.Sym{Num: 2, Name: "IOCB_CMD_FSYNC"},
	event.Sym{Num: 3, Name: "IOCB_CMD_FDSYNC"},
	event.Sym{Num: 5, Name: "IOCB_CMD_POLL"},
	event.Sym{Num: 6, Name: "IOCB_CMD_NOOP"},
	event.Sym{Num: 7, Name: "IOCB_CMD_PREADV"},
	event.Sym{Num: 8, Name: "IOCB_CMD_PWRITEV"},
)

// iocbs decodes the array of pointers to requests of io_submit.
func (d *Decoder) iocbs(i int) {
	addr, n := d.a[i], int64(d.a[1])
	if !d.long64 {
		n = int64(int32(n))
	}
	if n == 0 || addr == 0 || n > 0 && d.in(addr, d.word) == nil {
		d.ptr("", addr)
		return
	}
	if n < 0 {
		d.ptr("", addr)
		return
	}
	d.open(event.TArray, "").Flags |= event.FLimit
	for j := int64(0); j < n; j++ {
		at := addr + uint64(j)*d.word
		b := d.inAll(at, d.word)
		if b == nil || d.spent() {
			d.tail(at)
			break
		}
		d.iocb(d.long(b, 0))
	}
	d.end()
}

func (d *Decoder) iocb(addr uint64) {
	b := d.inAll(addr, iocbSize)
	if b == nil {
		d.ptr("", addr)
		return
	}
	op, fd := u16(b, 16), u32(b, 20)
	buf, size := u64(b, 24), u64(b, 32)
	d.open(event.TStruct, "")
	d.hex("aio_data", u64(b, 0))
	if key := u32(b, 8); key != 0 {
		d.uint("aio_key", key)
	}
	if rw := u32(b, 12); rw != 0 {
		d.hex("aio_rw_flags", rw)
	}
	d.sym("aio_lio_opcode", op, iocbOps)
	if prio := int16(u16(b, 18)); prio != 0 {
		d.int("aio_reqprio", int64(prio))
	}
	d.fd("aio_fildes", fd)
	switch op {
	case iocbPread:
		d.ptr("aio_buf", buf)
		d.uint("aio_nbytes", size)
		d.int("aio_offset", int64(u64(b, 40)))
	case iocbPwrite:
		if data := d.in(buf, size); data != nil || size == 0 && buf != 0 {
			d.str("aio_buf", data, size)
		} else {
			d.ptr("aio_buf", buf)
		}
		d.uint("aio_nbytes", size)
		d.int("aio_offset", int64(u64(b, 40)))
	case iocbPreadv:
		d.iovec("aio_buf", buf, size, 0, nil)
		d.int("aio_offset", int64(u64(b, 40)))
	case iocbPwritev:
		d.iovec("aio_buf", buf, size, ^uint64(0), d.in)
		d.int("aio_offset", int64(u64(b, 40)))
	case iocbPoll:
		d.flags("aio_buf", buf, pollEvents)
	}
	if flags := u32(b, 56); flags != 0 {
		if flags&iocbFlagResfd != 0 {
			d.fd("aio_resfd", u32(b, 60))
		}
		if rest := flags &^ iocbFlagResfd; rest != 0 {
			d.hex("aio_flags", rest)
		}
	}
	d.end()
}

// ioEvents decodes the array that io_getevents filled in.
func (d *Decoder) ioEvents(i int) {
	addr, n := d.a[i], d.ret
	if d.failed || addr == 0 {
		d.ptr("", addr)
		return
	}
	d.open(event.TArray, "").Flags |= event.FLimit
	for j := int64(0); j < n; j++ {
		at := addr + uint64(j)*ioEventSize
		b := d.outAll(at, ioEventSize)
		if b == nil || d.spent() {
			d.tail(at)
			break
		}
		d.open(event.TStruct, "")
		d.hex("data", u64(b, 0))
		d.ptr("obj", u64(b, 8))
		d.int("res", int64(u64(b, 16)))
		d.int("res2", int64(u64(b, 24)))
		d.end()
	}
	d.end()
}

// resumed prints the call that restart_syscall resumes. The kernel side has put its number
// into the second argument.
func (d *Decoder) resumed(int) {
	name := "?"
	if c := syscalls.Find(d.s.Abi, uint32(d.a[1]), 0); c != nil {
		name = c.Name
	}
	d.text("", "<... resuming interrupted "+name+" ...>")
}
