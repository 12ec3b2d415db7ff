// Package syscalls is the table of the system calls that pidwire traces. Each row has the
// numbers of a call, its arguments, what the kernel side captures, and its event.Role. The
// table of the kernel side is filled from it, package decode formats arguments by it, and
// all layers look up the role of a call in it.
package syscalls

import (
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/wire"
)

// Call is one row of Table.
type Call struct {
	Name      string // as in strace
	Nr        Numbers
	Vector    uint8 // number of the call in socketcall(2); 0: none
	Network   bool  // in strace's %network class
	Unaudited bool  // in that class, but not audited
	Role      event.Role
	Args      Args
	Result    Result
	Capture   uint8 // enum pw_capture: which memory is captured, and when
	Flags     uint8 // enum pw_call_flags
	FDs       [2]int8
}

// Numbers has the number of a call in each ABI, or no if the ABI lacks the call
// (linux/arch/*/entry/syscalls/*.tbl, include/uapi/asm-generic/unistd.h).
type Numbers struct {
	AMD64, I386, ARM64, ARM int16
}

// Args are the arguments of a call, in order.
type Args []Arg

// Arg is an argument.
type Arg struct {
	Name string // as in the man page
	Kind Kind
}

// Kind tells how an argument is decoded. The decoder of a kind has access to all arguments
// of the call: the length of a buffer, for example, is the argument after it.
type Kind uint8

// AtReturn marks an argument that is printed after the call has returned, as strace does
// if the kernel fills in an argument before it.
const AtReturn Kind = 0x80

// The kinds. Memory that the kernel fills in is printed at return with or without AtReturn.
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
	Protocol // protocol of the family in the first argument
	ShutHow
	MsgFlags
	SockFlags // SOCK_CLOEXEC, SOCK_NONBLOCK
	FDPair    // int[2]
	AddrIn    // struct sockaddr; the next argument is its length
	AddrOut   // the next argument points to its length
	AddrLenOut
	AddrRecv // like AddrOut, but may be left empty: recvfrom
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
	Offset       // off_t in one register, or in two on 32-bit ABIs: pread64
	OffsetHalves // off_t in two registers: preadv
	RWFlags      // after OffsetHalves
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

	Resumed // the call that restart_syscall resumes
	IOCBs
	IOEvents
	UringParams
	UringEnterFlags
	UringEnterArg
	UringRegisterOp
	SocketcallOp

	Kinds int = iota // number of kinds
)

// Result tells how a non-negative return value is decoded.
type Result uint8

// The results; ResultPlain is just a number.
const (
	ResultPlain Result = iota
	ResultFD
	ResultOption
	ResultSent     // number of messages sent
	ResultReceived // number of messages received, and the remaining timeout
	ResultReceived64
	ResultSplice
	ResultFcntl
	ResultPoll
	ResultPpoll
	ResultPpoll64
	ResultSelect
	ResultPselect
	ResultPselect64

	Results int = iota // number of results
)

// Audited reports whether pidwire requests audit records of the call. It is false for calls
// that work on other files, too, like read, write and close: audit would record them for
// every file of a process.
func (c *Call) Audited() bool { return c.Network && !c.Unaudited }

// Desc returns the entry of the call in the table of the kernel side.
func (c *Call) Desc() wire.Calldesc {
	return wire.Calldesc{Capture: c.Capture, Flags: c.Flags, Fd1: c.FDs[0], Fd2: c.FDs[1]}
}

// Number returns the number of the call in an ABI. The bool is false if the ABI has no
// number for it, except in socketcall(2).
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

// Socketcall is the number of socketcall(2) on i386, which multiplexes the socket calls.
const Socketcall = 102

// VectorMax is the highest number in socketcall(2): SYS_SENDMMSG.
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

// Find returns a call by its number nr, or by its number sub in socketcall(2) if sub is not
// 0. It returns nil if the call is not in Table.
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

// ByName returns a call by its name, nil if it is not in Table.
func ByName(name string) *Call {
	if i := byName[name]; i != 0 {
		return &Table[i-1]
	}
	return nil
}

// RoleOf returns the role of a call by its name. It includes calls that only files of other
// tools have. It returns 0 for an unknown name.
func RoleOf(name string) event.Role {
	if c := ByName(name); c != nil {
		return c.Role
	}
	return unfollowed[name]
}
