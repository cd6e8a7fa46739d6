// Where the programs under test are: CHATIXIA_BUILD_DIR names the build folder.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const root = fileURLToPath(new URL('../../..', import.meta.url));
export const buildDir = path.resolve(process.env.CHATIXIA_BUILD_DIR ?? path.join(root, 'build/dev'));

export const programs = {
  registry: path.join(buildDir, 'apps/chatixia-registry'),
  sidecar: path.join(buildDir, 'apps/chatixia-sidecar'),
  interopPeer: path.join(buildDir, 'tests/interop/interop_peer'),
};

export function missingPrograms(names = Object.keys(programs)) {
  return names.map((name) => programs[name]).filter((program) => !existsSync(program));
}
