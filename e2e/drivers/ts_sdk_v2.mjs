// Runs a script with the official TypeScript client, version 2 (`@modelcontextprotocol/client`), held to
// the revisions that open with `initialize`, or with `--era modern` to 2026-07-28.
import { CAPABILITIES, answersOf, readArguments, requireInstalled, runScript, watchHandshake } from './steps.mjs';

const { Client, SSEClientTransport, StreamableHTTPClientTransport } = requireInstalled('@modelcontextprotocol/client');
const { StdioClientTransport } = requireInstalled('@modelcontextprotocol/client/stdio');

const { transport: kind, target, script, era } = readArguments();
const transports = {
  stdio: () => new StdioClientTransport({ ...target, stderr: 'ignore' }),
  http: () => new StreamableHTTPClientTransport(new URL(target.url)),
  sse: () => new SSEClientTransport(new URL(target.url)),
};

const transport = transports[kind]();
const client = new Client(
  { name: 'e2e-ts-sdk-v2', version: '1.0.0' },
  { capabilities: CAPABILITIES, versionNegotiation: { mode: era === 'modern' ? { pin: '2026-07-28' } : 'legacy' } },
);
const answers = answersOf(script);
client.setRequestHandler('sampling/createMessage', (request) => answers.sampling(request.params));
client.setRequestHandler('elicitation/create', (request) => answers.elicitation(request.params));
client.setRequestHandler('roots/list', () => answers.roots());

const handshake = watchHandshake(transport);
await client.connect(transport);
if (era === 'modern') {
  // There is no handshake to record: this is what the client has made of `server/discover`.
  handshake.result = {
    protocolVersion: client.getNegotiatedProtocolVersion(),
    capabilities: client.getServerCapabilities(),
    serverInfo: client.getServerVersion(),
    instructions: client.getInstructions(),
  };
}
await runScript(script, {
  'tools/list': (params) => client.listTools(params),
  'tools/call': (params, options) => client.callTool(params, options),
  'resources/list': (params) => client.listResources(params),
  'resources/templates/list': (params) => client.listResourceTemplates(params),
  'resources/read': (params) => client.readResource(params),
  'resources/subscribe': (params) => client.subscribeResource(params),
  'resources/unsubscribe': (params) => client.unsubscribeResource(params),
  'prompts/list': (params) => client.listPrompts(params),
  'prompts/get': (params) => client.getPrompt(params),
  'completion/complete': (params) => client.complete(params),
  'logging/setLevel': (params) => client.setLoggingLevel(params.level),
  ping: () => client.ping(),
}, handshake);
await client.close();
process.exit(0);
