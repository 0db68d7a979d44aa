/*
 * Loaded into a plugin's process before its own code. The engine ends its plugins by signal, which an engine that was
 * killed no longer sends: the orphan notices that it has another parent and goes.
 */
const engine = process.ppid;
setInterval(() => {
  if (process.ppid !== engine) process.exit(0);
}, 1000).unref();

export {};
