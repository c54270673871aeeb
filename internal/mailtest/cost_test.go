package mailtest

import (
	"strings"
	"testing"
)

var sink []byte

// spin takes so many turns of the CPU.
func spin(turns int) (sum int) {
	for i := range turns {
		sum += i ^ sum>>1
	}
	return sum
}

func jobs(work func(n int)) (out [3]func()) {
	for i := range out {
		out[i] = func() { work(1 << i) }
	}
	return out
}

// What a cost test stands on must itself be able to fail.
func TestGrowFindsWhatIsNotLinear(t *testing.T) {
	for _, c := range []struct {
		name string
		work func(n int)
		want string
	}{
		{"linear CPU", func(n int) { spin(n * 20_000_000) }, ""},
		{"quadratic CPU", func(n int) { spin(n * n * 20_000_000) }, "the CPU"},
		{"linear memory", func(n int) { sink = make([]byte, n<<21) }, ""},
		{"quadratic memory", func(n int) { sink = make([]byte, n*n<<21) }, "the memory"},
		{"little work", func(n int) { sink = make([]byte, n*n) }, ""},
	} {
		costs, why := Grow(jobs(c.work))
		for range 2 { // another program on the same core can make the smallest size look slow, and so hide growth
			if why == "" && c.want != "" {
				costs, why = Grow(jobs(c.work))
			}
		}
		if (why == "") != (c.want == "") || !strings.HasSuffix(why, c.want) {
			t.Errorf("%s: %q, %v", c.name, why, costs)
		}
	}
}
