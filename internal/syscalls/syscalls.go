// Package syscalls is the table of the system calls that pidwire follows: one
// row a call, with its numbers, its arguments, what the kernel side captures of
// it, and its role. The kernel side's table of calls is filled from it, decode
// shows arguments by it, and every layer that asks what a call does asks for
// its event.Role.
package syscalls

import (
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/wire"
)

// Call is one row of Table.
type Call struct {
	Name      string // as strace names it
	Nr        Numbers
	Vector    uint8 // i386: number inside socketcall(2); 0: none
	Network   bool  // in strace's %network class
	Unaudited bool  // of that class, and audit is not asked for records of it
	Role      event.Role
	Args      Args
	Result    Result
	Capture   uint8 // enum pw_capture: which memory is read, and when
	Flags     uint8 // enum pw_call_flags
	FDs       [2]int8
}

// Numbers are a call's numbers by ABI; no where the ABI lacks it
// (linux/arch/*/entry/syscalls/*.tbl, include/uapi/asm-generic/unistd.h).
type Numbers struct {
	AMD64, I386, ARM64, ARM int16
}

// Args are a call's arguments, in order.
type Args []Arg

// Arg is an argument.
type Arg struct {
	Name string // as in the man page
	Kind Kind
}

// Kind says how an argument is read and shown. A kind sees all registers of its
// call: a buffer's length is the argument behind the buffer.
type Kind uint8

// AtReturn marks an argument that is shown once the call has returned, as
// strace does where an argument before it is filled in by the kernel.
const AtReturn Kind = 0x80

// The kinds. Those of memory that the kernel fills in are shown at return in
// any case.
const (
	FD Kind = iota
	Dec
	UDec
	ULong
	Hex
	HexFlags
	Pointer

	Family
	SockType
	Protocol // of the family in the first argument
	ShutHow
	MsgFlags
	SockFlags // SOCK_CLOEXEC, SOCK_NONBLOCK
	FDPair    // int[2]
	AddrIn    // struct sockaddr; the next argument is its length
	AddrOut   // the next argument points to its length
	AddrLenOut
	AddrRecv // as AddrOut, and may stay empty: recvfrom
	AddrLenRecv
	OptLevel
	OptSetName
	OptSet
	OptGetName
	OptGet
	OptGetLen

	BufIn // the next argument is its length
	BufOut
	IovIn
	IovOut
	MsgIn // struct msghdr
	MsgOut
	MmsgIn // struct mmsghdr[]
	MmsgOut
	Offset       // one register, or two on 32 bits: pread64
	OffsetHalves // two registers: preadv
	RWFlags      // behind OffsetHalves
	OffsetInOut  // off_t *
	Offset64InOut
	OffsetSplice
	SpliceFlags

	CloseRangeFlags
	OpenFlags
	FcntlCmd
	FcntlArg
	IoctlRequest
	IoctlArg

	Timespec
	Timespec64
	Timeval
	SigSet
	SigSetPair
	PollFDs
	FDSet
	EpollFlags
	EpollOp
	EpollEvent
	EpollEvents

	Resumed // the call that restart_syscall goes on with
	IOCBs
	IOEvents
	UringParams
	UringEnterFlags
	UringEnterArg
	UringRegisterOp
	SocketcallOp

	Kinds int = iota // how many there are
)

// Result says what else is known of a result that is not negative.
type Result uint8

// The results that say more than a number.
const (
	ResultPlain Result = iota
	ResultFD
	ResultOption
	ResultSent     // messages
	ResultReceived // messages, and the time left
	ResultReceived64
	ResultSplice
	ResultFcntl
	ResultPoll
	ResultPpoll
	ResultPpoll64
	ResultSelect
	ResultPselect
	ResultPselect64

	Results int = iota // how many there are
)

// Audited reports whether pidwire has audit record the call: those on sockets
// alone, for read, write and close would record every file of a process too.
func (c *Call) Audited() bool { return c.Network && !c.Unaudited }

// Desc is what the kernel side knows of the call.
func (c *Call) Desc() wire.Calldesc {
	return wire.Calldesc{Capture: c.Capture, Flags: c.Flags, Fd1: c.FDs[0], Fd2: c.FDs[1]}
}

// Number returns the number that the ABI gives to the call, and whether it has
// one of its own (not through socketcall).
func (c *Call) Number(abi uint8) (uint32, bool) {
	n := int16(no)
	switch abi {
	case wire.AbiX8664:
		n = c.Nr.AMD64
	case wire.AbiI386:
		n = c.Nr.I386
	case wire.AbiARM64:
		n = c.Nr.ARM64
	case wire.AbiARM:
		n = c.Nr.ARM
	}
	return uint32(n), n != no
}

// Socketcall is the number of the i386 call that holds the socket calls of old
// programs.
const Socketcall = 102

// VectorMax is the highest number inside socketcall(2): SYS_SENDMMSG.
const VectorMax = 20

// x32Bit marks an x32 number (__X32_SYSCALL_BIT).
const x32Bit = 0x40000000

const callSlots = 512

var (
	byNumber [5][callSlots]uint16 // index into Table, plus one
	byVector [VectorMax + 1]uint16
	byName   = map[string]uint16{}
)

func init() {
	for i := range Table {
		c := &Table[i]
		for _, abi := range []uint8{wire.AbiX8664, wire.AbiI386, wire.AbiARM64, wire.AbiARM} {
			if n, ok := c.Number(abi); ok {
				byNumber[abi][n] = uint16(i + 1)
			}
		}
		if c.Vector != 0 {
			byVector[c.Vector] = uint16(i + 1)
		}
		byName[c.Name] = uint16(i + 1)
	}
}

// Find returns the call that a record is of: by its number, or for
// socketcall by the number inside. It returns nil if it is not in Table.
func Find(abi uint8, nr uint32, sub uint8) *Call {
	var i uint16
	switch {
	case sub != 0:
		if int(sub) < len(byVector) {
			i = byVector[sub]
		}
	case abi == wire.AbiX32:
		nr &^= x32Bit
		if name, ok := X32[nr]; ok {
			i = byName[name]
		} else if nr < callSlots {
			i = byNumber[wire.AbiX8664][nr]
		}
	case int(abi) < len(byNumber) && nr < callSlots:
		i = byNumber[abi][nr]
	}
	if i == 0 {
		return nil
	}
	return &Table[i-1]
}

// ByName returns the call of that name, nil if it is not in Table.
func ByName(name string) *Call {
	if i := byName[name]; i != 0 {
		return &Table[i-1]
	}
	return nil
}

// RoleOf returns the role of a call by its name, of those too that are read
// from files only. It is 0 for any other.
func RoleOf(name string) event.Role {
	if c := ByName(name); c != nil {
		return c.Role
	}
	return unfollowed[name]
}
