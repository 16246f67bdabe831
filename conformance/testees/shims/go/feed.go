package main

import (
	"context"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"time"

	"github.com/gorilla/websocket"
)

var (
	public = regexp.MustCompile("@depth|ookTicker|@rpiDepth|@trade") // of usdm; the rest: /market
	number = regexp.MustCompile(`"(?:u|lastUpdateId|a|t)":(\d+)`)
)

func seconds(s float64) time.Duration {
	if scale, err := strconv.ParseFloat(os.Getenv("MOCKEX_TIME_SCALE"), 64); err == nil {
		s *= scale
	}
	return time.Duration(s * float64(time.Second))
}

// hold keeps the connection of a stream until ctx ends. Nobody else dials.
func hold(ctx context.Context, stream string) {
	for wait := 0.5; ctx.Err() == nil; wait = min(2*wait, 10) {
		SetState("connecting", Object{})
		began := time.Now()
		println(stream, session(ctx, stream).Error()) // to stderr
		if time.Since(began) > seconds(10) {
			wait = 0.5
		}
		pause := seconds(wait * rand.Float64())
		SetState("waiting", Object{"wait_ms": pause.Milliseconds()})
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

func session(ctx context.Context, stream string) error {
	dialer := websocket.Dialer{HandshakeTimeout: seconds(10)}
	ws, _, err := dialer.DialContext(ctx, url(stream), nil)
	if err != nil {
		return err
	}
	defer ws.Close()
	defer context.AfterFunc(ctx, func() { ws.Close() })()
	open.Store(stream, ws)
	alive := func(string) error { return ws.SetReadDeadline(time.Now().Add(seconds(25))) }
	ws.SetPongHandler(alive)
	go func() { // ends with the connection
		for ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(seconds(10))) == nil {
			time.Sleep(seconds(15))
		}
	}()
	for {
		alive("")
		_, text, err := ws.ReadMessage()
		if err != nil {
			return err
		}
		if found := number.FindSubmatch(text); found != nil {
			if id, err := strconv.ParseInt(string(found[1]), 10, 64); err == nil {
				present(stream, id)
			}
		}
	}
}

func url(stream string) string {
	route := ""
	if os.Getenv("MOCKEX_PROFILE") == "usdm" {
		route = map[bool]string{true: "/public", false: "/market"}[public.MatchString(stream)]
	}
	return os.Getenv("MOCKEX_WS_URL") + route + "/stream?streams=" + stream
}
