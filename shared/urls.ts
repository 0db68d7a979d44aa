export const isHttps = (url: string) => URL.parse(url)?.protocol === "https:";
export const isLoopback = (url: string) => ["127.0.0.1", "localhost", "[::1]"].includes(URL.parse(url)?.hostname ?? "");
