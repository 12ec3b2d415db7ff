package event

// Role says what a system call does with sockets, independent of its name and ABI. It is a set of
// bits. The zero Role is for calls that no layer treats specially.
type Role uint32

// A call has one or more roles: sendto Sends and CountsBytes. The table of package syscalls has the
// roles of each call.
const (
	Opens       Role = 1 << iota // creates a socket, and returns its descriptor: socket
	OpensPair                    // creates two, and stores their descriptors: socketpair
	Binds                        // gives a socket its local address
	Connects                     // sets the peer of a socket
	Listens                      // starts to accept connections
	Accepts                      // takes a connection from a listener, and returns its descriptor
	AsksLocal                    // reads a socket's local address: getsockname
	AsksPeer                     // reads a socket's peer: getpeername
	Sends                        // sends payload
	SendsEmpty                   // a result of 0 is an empty datagram that was sent
	Receives                     // receives payload
	Splices                      // moves payload between two descriptors, in either direction
	CountsBytes                  // a positive result of a call that Sends or Receives is the payload's length in bytes
	ShutsDown                    // ends one direction or both: shutdown
	Closes                       // closes the descriptor in its first argument
	ClosesRange                  // closes all descriptors of a range
	Duplicates                   // returns another descriptor of the same file
	Replaces                     // and closes the file that the new descriptor referred to: dup2, dup3
	SetsOption
	GetsOption
	Waits      // waits until descriptors are ready: poll, select, epoll_wait
	WaitsEpoll // those that were registered with an epoll instance
	Registers  // registers a descriptor with an epoll instance: epoll_ctl
	Forks      // returns the pid of a new process
)

// Has reports whether r has any of the bits of the set.
func (r Role) Has(set Role) bool { return r&set != 0 }
