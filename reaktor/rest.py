"""stub"""
from rest_framework.renderers import JSONRenderer as OrjsonRenderer
from rest_framework.parsers import JSONParser as OrjsonParser
