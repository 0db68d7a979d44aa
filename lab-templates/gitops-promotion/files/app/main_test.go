package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

func TestHandler(t *testing.T) {
	tests := []struct {
		name     string
		path     string
		draining bool
		status   int
		body     string
	}{
		{"names its build", "/", false, http.StatusOK, `{"version":"1.2.3","commit":"abc1234"}`},
		{"is alive", "/livez", false, http.StatusOK, "ok"},
		{"is ready", "/readyz", false, http.StatusOK, "ok"},
		{"is healthy", "/healthz", false, http.StatusOK, "ok"},
		{"stays alive while draining", "/livez", true, http.StatusOK, "ok"},
		{"is not ready while draining", "/readyz", true, http.StatusServiceUnavailable, "draining"},
		{"knows no other path", "/other", false, http.StatusNotFound, "404 page not found"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var draining atomic.Bool
			draining.Store(test.draining)
			answer := httptest.NewRecorder()
			newHandler(Build{Version: "1.2.3", Commit: "abc1234"}, &draining).
				ServeHTTP(answer, httptest.NewRequest(http.MethodGet, test.path, nil))
			if answer.Code != test.status {
				t.Errorf("status = %d, want %d", answer.Code, test.status)
			}
			if body := strings.TrimSpace(answer.Body.String()); body != test.body {
				t.Errorf("body = %q, want %q", body, test.body)
			}
		})
	}
}
