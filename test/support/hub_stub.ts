// A hub on this machine: the few addresses of huggingface.co that attune asks, with the faults that a test wants.
import { createHash } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const MODEL = 'owner/name';

export class HubStub {
  readonly commit = 'c'.repeat(40);
  readonly requests: { method: string; url: string; headers: IncomingHttpHeaders }[] = [];
  /** The line breaks after so many bytes of each answer. */
  cutAfter = Number.POSITIVE_INFINITY;
  /** A file whose content is sent with one byte changed. */
  corrupt: string | undefined;
  /** Contents come from this other host. */
  redirectTo: string | undefined;
  /** So many requests are answered with 503 first. */
  busy = 0;
  /** Answer to everything, if set. */
  status: number | undefined;

  private constructor(
    private readonly server: Server,
    private readonly files: Record<string, string | Buffer>,
  ) {}

  static async start(files: Record<string, string | Buffer>): Promise<HubStub> {
    const server = createServer();
    const stub = new HubStub(server, files);
    server.on('request', (request, response) => stub.answer(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return stub;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  /** As the hub: SHA-256 of what lies in large-file storage (here: safetensors), git's SHA-1 of the rest. */
  etag(name: string): string {
    const content = Buffer.from(this.files[name] ?? '');
    return name.endsWith('.safetensors')
      ? createHash('sha256').update(content).digest('hex')
      : createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const url = request.url ?? '';
    this.requests.push({ method: request.method ?? '', url, headers: request.headers });
    if (this.status !== undefined) return void response.writeHead(this.status).end();
    if (this.busy-- > 0) return void response.writeHead(503).end();
    if (url.startsWith(`/api/models/${MODEL}/revision/`)) {
      const siblings = Object.keys(this.files).map((rfilename) => ({ rfilename }));
      return void response.end(JSON.stringify({ sha: this.commit, siblings }));
    }
    const name = decodeURIComponent(url.split(`/${MODEL}/resolve/${this.commit}/`)[1] ?? '');
    if (this.files[name] === undefined) return void response.writeHead(404).end();
    this.send(name, request, response);
  }

  private send(name: string, request: IncomingMessage, response: ServerResponse): void {
    const content = Buffer.from(this.files[name] ?? '');
    const large = name.endsWith('.safetensors');
    const facts = large
      ? { 'x-linked-etag': `"${this.etag(name)}"`, 'x-linked-size': String(content.length) }
      : { etag: `W/"${this.etag(name)}"` };
    if (this.redirectTo !== undefined && large)
      return void response.writeHead(302, { ...facts, location: `${this.redirectTo}${request.url}`, 'content-length': '5' }).end('moved');
    if (request.method === 'HEAD') return void response.writeHead(200, { ...facts, 'content-length': String(content.length) }).end();
    const from = Number(request.headers.range?.match(/^bytes=(\d+)-$/)?.[1] ?? 0);
    const rest = Buffer.from(content.subarray(from));
    if (this.corrupt === name) rest[0] = (rest[0] ?? 0) ^ 1;
    response.writeHead(from > 0 ? 206 : 200, { ...facts, 'content-length': String(rest.length) });
    if (rest.length <= this.cutAfter) return void response.end(rest);
    response.write(rest.subarray(0, this.cutAfter), () => setTimeout(() => response.destroy(), 20));
  }
}
