// Package child runs a foreign server as a child that cannot outlive us, in a numbered folder (Slot) of its own.
//
// Three things hold it to that: the kernel kills the child when our process ends however it ends (Pdeathsig, see prctl(2)
// PR_SET_PDEATHSIG); the slot is locked by flock(2) as long as we live; and whoever takes a slot next kills a child that an
// earlier owner left there all the same, and empties the folder. A slot's number also fixes the ports, so that several processes on
// one machine never race for a port that looked free.
//
// A child may be run inside another root folder (chroot). Who is not root gets the right to do so by a user namespace.
package child
