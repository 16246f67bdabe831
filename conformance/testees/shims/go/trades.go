package main

import (
	"strings"
	"sync"
)

var newest sync.Map // ids by stream

// present says an event. The ids of a stream of trades have no holes: a jump is one, and is told.
func present(stream string, id int64) {
	SetState("live", Object{})
	last, known := newest.Swap(stream, id)
	if known && strings.HasSuffix(stream, "rade") && id > last.(int64)+1 {
		Notify("gap", Object{"stream": stream, "after": last, "before": id})
	}
	Notify("event", Object{"stream": stream, "id": id})
}
