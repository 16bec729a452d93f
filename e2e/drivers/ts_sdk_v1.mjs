// Runs a script with the official TypeScript SDK, version 1 (`@modelcontextprotocol/sdk`).
import { CAPABILITIES, answersOf, readArguments, requireInstalled, runScript, watchHandshake } from './steps.mjs';

const { Client } = requireInstalled('@modelcontextprotocol/sdk/client/index.js');
const { StdioClientTransport } = requireInstalled('@modelcontextprotocol/sdk/client/stdio.js');
const { StreamableHTTPClientTransport } = requireInstalled('@modelcontextprotocol/sdk/client/streamableHttp.js');
const { SSEClientTransport } = requireInstalled('@modelcontextprotocol/sdk/client/sse.js');
const schemas = requireInstalled('@modelcontextprotocol/sdk/types.js');

const { transport: kind, target, script } = readArguments();
const transports = {
  stdio: () => new StdioClientTransport({ ...target, stderr: 'ignore' }),
  http: () => new StreamableHTTPClientTransport(new URL(target.url)),
  sse: () => new SSEClientTransport(new URL(target.url)),
};

const transport = transports[kind]();
const client = new Client({ name: 'e2e-ts-sdk-v1', version: '1.0.0' }, { capabilities: CAPABILITIES });
const answers = answersOf(script);
client.setRequestHandler(schemas.CreateMessageRequestSchema, (request) => answers.sampling(request.params));
client.setRequestHandler(schemas.ElicitRequestSchema, (request) => answers.elicitation(request.params));
client.setRequestHandler(schemas.ListRootsRequestSchema, () => answers.roots());

const handshake = watchHandshake(transport);
await client.connect(transport);
await runScript(script, {
  'tools/list': (params) => client.listTools(params),
  'tools/call': (params, options) => client.callTool(params, undefined, options),
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
