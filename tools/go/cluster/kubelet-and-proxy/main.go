// Command kubelet-and-proxy is Kubernetes' kubelet and kube-proxy in one process, as k3s runs them: one Go runtime and one
// copy of what both are made of. Each is the program of its own module with its own flags.
//
//	kubelet-and-proxy [kubelet's flag]... -- [kube-proxy's flag]...
//
// Both must be given the same verbosity, since they share one log. When one ends, so does the other.
package main

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	logs "k8s.io/component-base/logs/api/v1"
	kubeproxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"

	// What the main programs of both register.
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
)

func main() {
	args := os.Args[1:]
	border := slices.Index(args, "--")
	if border < 0 {
		fmt.Fprintln(os.Stderr, "usage: kubelet-and-proxy [kubelet's flag]... -- [kube-proxy's flag]...")
		os.Exit(2)
	}
	// Whichever comes second would take it for a change.
	logs.ReapplyHandling = logs.ReapplyHandlingIgnoreUnchanged
	ended := make(chan int)
	run := func(command *cobra.Command, args []string) {
		command.SetArgs(args)
		ended <- cli.Run(command)
	}
	go run(kubelet.NewKubeletCommand(context.Background()), args[:border])
	go run(kubeproxy.NewProxyCommand(), args[border+1:])
	os.Exit(<-ended)
}
