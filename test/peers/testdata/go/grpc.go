package main

import (
	"context"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

func grpcServer(context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:50051")
	if err != nil {
		return err
	}
	s, h := grpc.NewServer(), health.NewServer()
	h.SetServingStatus("shop", grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(s, h)
	return s.Serve(l)
}

// grpcClient makes calls that succeed and fail, one that streams, and one of a method that there is not.
func grpcClient(ctx context.Context) error {
	conn, err := grpc.NewClient("127.0.0.1:50051", grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUserAgent("gopeers"))
	if err != nil {
		return err
	}
	defer conn.Close()
	c := grpc_health_v1.NewHealthClient(conn)
	for range 3 {
		if _, err := c.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: "shop"}); err != nil {
			return err
		}
	}
	if _, err := c.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: "none"}); status.Code(err) != codes.NotFound {
		return fmt.Errorf("of an unknown service: %v", err)
	}
	if err := conn.Invoke(ctx, "/peers.Test/Nothing", &grpc_health_v1.HealthCheckRequest{}, &grpc_health_v1.HealthCheckResponse{}); status.Code(err) != codes.Unimplemented {
		return fmt.Errorf("of an unknown method: %v", err)
	}
	w, err := c.Watch(ctx, &grpc_health_v1.HealthCheckRequest{Service: "shop"})
	if err != nil {
		return err
	}
	_, err = w.Recv()
	return err
}
