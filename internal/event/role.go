package event

// Role is what a system call does with sockets, whatever its name and its ABI:
// a set of bits. The zero Role is that of a call that no layer treats specially.
type Role uint32

// A call has one role or several: sendto Sends and CountsBytes. The table of
// package syscalls gives each call its own.
const (
	Opens       Role = 1 << iota // makes a socket, and returns its descriptor: socket
	OpensPair                    // makes two, and stores their descriptors: socketpair
	Binds                        // gives a socket its local address
	Connects                     // gives a socket its peer
	Listens                      // begins to accept connections
	Accepts                      // takes a connection from a listener, and returns its descriptor
	AsksLocal                    // reads a socket's local address: getsockname
	AsksPeer                     // reads a socket's peer: getpeername
	Sends                        // moves payload out
	SendsEmpty                   // a result of 0 is an empty datagram that was sent
	Receives                     // moves payload in
	Splices                      // moves payload between two descriptors, in either direction
	CountsBytes                  // a positive result of a call that Sends or Receives is the payload's length in bytes
	ShutsDown                    // ends one direction or both: shutdown
	Closes                       // closes the descriptor in its first argument
	ClosesRange                  // closes all descriptors of a range
	Duplicates                   // returns another descriptor of the same file
	Replaces                     // and closes the file that the new descriptor had before: dup2, dup3
	SetsOption
	GetsOption
	Waits      // waits until descriptors are ready: poll, select, epoll_wait
	WaitsEpoll // for those that were registered with an epoll instance
	Registers  // registers a descriptor with an epoll instance: epoll_ctl
	Forks      // returns the pid of a new process
)

// Has reports whether r has any of the bits of the set.
func (r Role) Has(set Role) bool { return r&set != 0 }
