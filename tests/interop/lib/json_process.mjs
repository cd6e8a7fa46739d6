// A child process that takes one JSON object a line on stdin and reports one a line on stdout.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { EventQueue } from './event_queue.mjs';

export class JsonProcess {
  constructor(name, program, args, { env = {}, verbose = Boolean(process.env.VERBOSE) } = {}) {
    this.name = name;
    this.events = new EventQueue(name);
    this.stderr = '';
    this.child = spawn(program, args, { env: { ...process.env, ...env } });
    this.exited = once(this.child, 'close').then(([code, signal]) => {
      const tail = this.stderr.trim().split('\n').slice(-5).join('\n');
      this.events.end(`${name} ended (${signal ?? code}) ${tail}`);
      return code;
    });
    this.child.on('error', (error) => this.events.end(`${name}: ${error.message}`));
    this.child.stdin.on('error', () => {});
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      if (verbose) console.error(`${name} > ${line.slice(0, 300)}`);
      if (line.startsWith('{')) this.events.push(JSON.parse(line));
    });
    this.child.stderr.on('data', (data) => {
      if (verbose) process.stderr.write(`${name}: ${data}`);
      this.stderr = (this.stderr + data).slice(-16_384);
    });
  }

  send(object) {
    this.child.stdin.write(`${JSON.stringify(object)}\n`);
  }

  // SIGTERM, and SIGKILL for one that does not listen.
  async stop() {
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 5_000);
    this.child.kill('SIGTERM');
    const code = await this.exited;
    clearTimeout(timer);
    return code;
  }
}
