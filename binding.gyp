# For `node-gyp rebuild` and tools that look for this file. The build is described once, in CMakeLists.txt; this only runs it.
# Not part of the published package: some package managers would start node-gyp on seeing it.
{
  'targets': [{
    'target_name': 'attune',
    'type': 'none',
    'actions': [{
      'action_name': 'cmake',
      'message': 'Building the native addon with CMake',
      'inputs': ['CMakeLists.txt'],
      'outputs': ['<(PRODUCT_DIR)/.always-run'],
      'action': ['node', 'scripts/build-native.mjs', '--config', '<(CONFIGURATION_NAME)'],
    }],
  }],
}
