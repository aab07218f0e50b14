package sipphone

import (
	"runtime"
	"testing"
	"time"
)

// A datagram that waits because this process is busy still has the time at
// which it reached the machine.
func TestArrivalTimeIsTheKernels(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("arrival times come from the kernel on Linux only")
	}
	a, err := listenUDP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	b, err := listenUDP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	before := time.Now()
	if err := b.write([]byte("x"), a.addr()); err != nil {
		t.Fatal(err)
	}
	after := time.Now()
	time.Sleep(150 * time.Millisecond)
	_, src, at, err := a.read(make([]byte, 10))
	if err != nil || src != b.addr() {
		t.Fatal(src, err)
	}
	if at.Before(before.Add(-time.Millisecond)) || at.After(after.Add(5*time.Millisecond)) {
		t.Errorf("arrived %v after it was sent", at.Sub(before))
	}
}
