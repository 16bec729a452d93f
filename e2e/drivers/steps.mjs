// What the two TypeScript drivers share: reading the command line, answering what the server asks,
// running a script of steps and writing one canonical JSON line per step. It knows no SDK: each
// driver hands in a table from method names to calls of its own client.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** Packages live beside the test environment, not beside this file. */
export const requireInstalled = createRequire(`${process.env.E2E_DIR}/package.json`);

// Standard output is the transcript's alone; one SDK writes remarks to it.
console.log = console.info = console.debug = console.error;

/** Capabilities every driver declares, the same ones Standpipe declares to a shared child. */
export const CAPABILITIES = {
  sampling: {},
  elicitation: { form: {}, url: {} },
  roots: { listChanged: true },
};

export function readArguments() {
  const found = {};
  for (let i = 2; i < process.argv.length; i += 2) {
    found[process.argv[i].replace(/^--/, '')] = process.argv[i + 1];
  }
  return {
    transport: found.transport,
    target: JSON.parse(found.connect),
    script: JSON.parse(readFileSync(found.script, 'utf8')),
    era: found.era ?? 'legacy',
  };
}

/** The answers of the person and the model behind this client; the label makes them its own. */
export function answersOf(script) {
  const label = script.label;
  return {
    sampling: (params) => ({
      model: `model-of-${label}`,
      role: 'assistant',
      stopReason: 'endTurn',
      content: { type: 'text', text: `${label} heard: ${lastText(params.messages)}` },
    }),
    elicitation: (params) =>
      params.mode === 'url'
        ? { action: 'accept' }
        : { action: script.declines ? 'decline' : 'accept', ...(script.declines ? {} : { content: { name: label } }) },
    roots: () => ({ roots: script.roots }),
  };
}

/** Records the result of the handshake as it arrived, which neither SDK keeps whole. */
export function watchHandshake(transport) {
  const seen = {};
  transport.onmessage = (message) => {
    if (seen.result === undefined && message.result?.protocolVersion !== undefined) {
      seen.result = message.result;
    }
  };
  return seen;
}

export async function runScript(script, calls, handshake) {
  write({ step: 'initialize', result: handshake.result });
  for (const step of script.steps) {
    write({ step: step.name, ...(await outcomeOf(step, calls)) });
  }
}

async function outcomeOf(step, calls) {
  const progress = [];
  const options = step.progress === undefined ? undefined : { onprogress: (update) => progress.push(update) };
  let outcome;
  try {
    const call = calls[step.method];
    if (call === undefined) throw new Error(`the driver knows no method ${step.method}`);
    outcome = { result: await call(step.params, options) };
  } catch (error) {
    outcome = error.code === undefined
      ? { exception: `${error.name}: ${error.message}` }
      : { error: { code: error.code, message: error.message, ...(error.data === undefined ? {} : { data: error.data }) } };
  }
  if (options === undefined) return outcome;
  return { ...outcome, progress: verdictOn(progress) };
}

// An SDK drops progress that it reads together with the answer, and how much that is depends on the
// machine's load; so what came is judged here. The raw client of these suites compares every notification.
function verdictOn(all) {
  // One SDK tells of rounds in the same way; a server may ask for roots at any time, in any open call.
  const progress = all.filter((update) => !update.message?.startsWith('Fulfilling input required'));
  const rising = progress.every((update, at) => at === 0 || update.progress > progress[at - 1].progress);
  return progress.length > 0 && rising ? 'rising' : progress;
}

function lastText(messages) {
  const content = messages[messages.length - 1].content;
  const block = Array.isArray(content) ? content[content.length - 1] : content;
  return block.text;
}

function write(line) {
  process.stdout.write(`${JSON.stringify(sorted(line))}\n`);
}

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
}
